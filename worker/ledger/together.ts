/**
 * Waits for statements of one transaction that were sent without waiting for each other: Postgres
 * carries them out in the order of the list, in one round trip.
 * @throws the first one's error in that order; what comes after it only says that the transaction
 * has failed
 */
export async function together<T extends readonly unknown[]>(
  statements: T,
): Promise<{ -readonly [I in keyof T]: Awaited<T[I]> }> {
  const results = await Promise.allSettled(statements);
  const failed = results.find((it) => it.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return results.map((it) => (it as PromiseFulfilledResult<unknown>).value) as {
    -readonly [I in keyof T]: Awaited<T[I]>;
  };
}
