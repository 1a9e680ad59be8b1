/** Names of what a batch holds, for maps. `|` can't occur in an id. */
export const sessionKey = (it: { org: string; session: string }) => `${it.org}|${it.session}`;
export const periodKey = (it: { org: string; period: number }) => `${it.org}|${it.period}`;
export const minuteKey = (it: { org: string; session: string; minute: number; period: number }) =>
  `${it.org}|${it.session}|${it.minute}|${it.period}`;

/** One of each key, the last. */
export function distinct<T>(items: readonly T[], key: (item: T) => string): T[] {
  return [...new Map(items.map((item) => [key(item), item])).values()];
}

/** Keeps the order within each group and of the groups. */
export function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}
