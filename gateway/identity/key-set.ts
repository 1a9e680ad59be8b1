/**
 * The public keys of an identity provider: fetched when they are needed, kept, fetched again now and
 * then, and when a token names one that is not among them, but never more often than once in a
 * while, whatever is asked. A provider that is away changes nothing: the last known keys hold.
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type { Log } from '../../core/runtime/log.ts';

/** At the earliest so long after the last try the provider is asked again, answered or not. */
export const COOL_DOWN_MS = 30_000;
/** The same while no keys are known at all: nobody gets in before. */
export const FIRST_COOL_DOWN_MS = 2_000;
/** Keys older than this are fetched again while those at hand go on being used. */
export const FRESH_MS = 10 * 60_000;
const FETCH_TIMEOUT_MS = 5_000;
const MAX_BYTES = 256 * 1024;
const MAX_KEYS = 100;

export interface KeySetOptions {
  url: string;
  monotonicMs(): number;
  log: Log;
}

/** The key may be there, and can't be asked for now: whoever comes again later may get in. */
export class KeysUnavailable extends Error {
  override name = 'KeysUnavailable';
}

export interface KeySet {
  /** Rejects with jose's errors, or with `KeysUnavailable`. */
  key: JWTVerifyGetKey;
  /** Fetches them if it is time. Never rejects. */
  refresh(): Promise<void>;
}

export function createKeySet({ url, monotonicMs, log }: KeySetOptions): KeySet {
  let keys: JWTVerifyGetKey | null = null;
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let fetching: Promise<void> | null = null;

  async function load(): Promise<void> {
    triedAt = monotonicMs();
    try {
      keys = createLocalJWKSet(await fetchKeys(url));
      fetchedAt = monotonicMs();
    } catch (error) {
      log.warn({ err: error, url }, 'keys of an identity provider could not be fetched');
    } finally {
      fetching = null;
    }
  }

  /** One at a time, and none while it cools down. */
  function refresh(): Promise<void> {
    const coolDownMs = keys === null ? FIRST_COOL_DOWN_MS : COOL_DOWN_MS;
    if (fetching === null && monotonicMs() - triedAt >= coolDownMs) fetching = load();
    return fetching ?? Promise.resolve();
  }

  return {
    refresh,
    async key(header, token) {
      if (keys === null) await refresh();
      // Not waited for: a slow provider slows nobody down whose key is known.
      else if (monotonicMs() - fetchedAt >= FRESH_MS) void refresh();
      if (keys === null) throw new KeysUnavailable(`No keys from ${url} yet.`);
      try {
        return await keys(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        // Perhaps a new one.
        const before = fetchedAt;
        await refresh();
        if (fetchedAt === before) throw new KeysUnavailable(`${url} is not asked again yet.`);
        return keys(header, token);
      }
    },
  };
}

async function fetchKeys(url: string): Promise<JSONWebKeySet> {
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    // The address is trusted, and where it might lead to is not.
    redirect: 'error',
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
  });
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel();
    throw new Error(`The provider answered ${response.status}.`);
  }
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body) {
    bytes += part.byteLength;
    if (bytes > MAX_BYTES) throw new Error(`The provider sent more than ${MAX_BYTES} bytes.`);
    parts.push(part);
  }
  const { keys } = JSON.parse(Buffer.concat(parts).toString()) as Partial<JSONWebKeySet>;
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) {
    throw new Error(`The provider sent no list of up to ${MAX_KEYS} keys.`);
  }
  return { keys };
}
