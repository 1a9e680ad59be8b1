/**
 * A session's id is made where the session is made: a `start` whose answer was lost is then simply
 * said again. 120 random bits; 24 characters that need no escaping anywhere.
 */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const CHARACTERS = 24;

export function newSessionId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(CHARACTERS));
  return Array.from(bytes, (byte) => ALPHABET[byte % ALPHABET.length]).join('');
}
