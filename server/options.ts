/** How a backend reaches its gateway. */

export const DEFAULT_TIMEOUT_MS = 10_000;
export const DEFAULT_ATTEMPT_TIMEOUT_MS = 3_000;
export const DEFAULT_ATTEMPTS = 3;

export interface TaximeterOptions {
  /** Of any gateway, or of what stands before them: `https://meter.example`. */
  url: string;
  /** Of this installation. Sent as a header and kept nowhere else: never in errors or logs. */
  apiKey: string;
  /** For a call with all its attempts and waits. */
  timeoutMs?: number;
  /** For one attempt of it. */
  attemptTimeoutMs?: number;
  /** Attempts a call, the first included; 1: never try again. */
  attempts?: number;
  /** Another `fetch` than the runtime's. */
  fetch?: typeof fetch;
  /** Numbers in [0, 1) for the spread of attempts; seed it where runs must repeat. */
  random?: () => number;
}

export interface Settings {
  /** Without a slash at its end. */
  baseUrl: string;
  apiKey: string;
  timeoutMs: number;
  attemptTimeoutMs: number;
  attempts: number;
  fetch: typeof fetch;
  random: () => number;
}

/** @throws TypeError that says which option is wrong; never the key, nor a URL that may hold one */
export function settingsOf(options: TaximeterOptions): Settings {
  const url = URL.canParse(options.url) ? new URL(options.url) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new TypeError('`url` must be the http or https URL of a gateway');
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new TypeError('`url` must have no user, password, query or fragment');
  }
  // What is no header value would be named in the error of `fetch`, and so end in a log.
  if (typeof options.apiKey !== 'string' || !/^[\x21-\x7e]+$/.test(options.apiKey)) {
    throw new TypeError('`apiKey` must be an API key: printable ASCII without blanks');
  }
  const positive = (name: 'timeoutMs' | 'attemptTimeoutMs' | 'attempts', value: number) => {
    if (Number.isFinite(value) && value > 0) return value;
    throw new TypeError(`\`${name}\` must be above 0, and is ${String(value)}`);
  };
  return {
    baseUrl: url.href.replace(/\/+$/, ''),
    apiKey: options.apiKey,
    timeoutMs: positive('timeoutMs', options.timeoutMs ?? DEFAULT_TIMEOUT_MS),
    attemptTimeoutMs: positive(
      'attemptTimeoutMs',
      options.attemptTimeoutMs ?? DEFAULT_ATTEMPT_TIMEOUT_MS,
    ),
    attempts: positive('attempts', options.attempts ?? DEFAULT_ATTEMPTS),
    // Looked up at each call: frameworks put their own in its place.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    random: options.random ?? Math.random,
  };
}
