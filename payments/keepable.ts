/** What Stripe says, as a database keeps it: a name may have any character, and Postgres keeps all but two. */

const ZERO = /\0/g;
const REPLACEMENT = '\ufffd';

/** The value of JSON with zero characters and halves of pairs replaced, in names as in values. */
export function keepable(value: unknown): unknown {
  if (typeof value === 'string') return keepableText(value);
  if (Array.isArray(value)) return value.map(keepable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [keepableText(name), keepable(inner)]),
  );
}

/** UTF-8 has no halves of pairs: on the way through it they become the sign for what is missing. */
const keepableText = (text: string) => Buffer.from(text).toString().replace(ZERO, REPLACEMENT);
