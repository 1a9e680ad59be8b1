/** Rejects with the sentence that the backend gave: it says what happened and what to do. */
export async function call(path: string, body: object = {}) {
  const response = await fetch(`/api/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.detail ?? 'Something went wrong here.');
  return { answer, remaining: response.headers.get('taximeter-remaining') };
}
