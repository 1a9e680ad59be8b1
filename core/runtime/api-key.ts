/** Secrets of API keys and what keys may do: gateways and the command that makes the first key agree. */
import { createHash, createHmac, randomBytes } from 'node:crypto';

/** So that a leaked key is known by its form wherever it lies. */
export const API_KEY_PREFIX = 'tmk_';
const SECRET_BYTES = 32;

/** Accepted in development only; a production start refuses every secret of development. */
export const DEVELOPMENT_KEY = 'dev-key';

/** What a key may do, each with what it opens. A key without a list may do all. */
export const API_KEY_SCOPES = {
  read: 'every GET, and the check',
  write: 'plans, organizations, members, and what else is set up',
  sessions: 'tickets, sessions, and what is counted',
  adjust: 'minutes given or taken, periods, repairs',
  keys: 'API keys, none of which may do more than the key that makes it',
} as const;
export type ApiKeyScope = keyof typeof API_KEY_SCOPES;
export const API_KEY_SCOPE_NAMES = Object.keys(API_KEY_SCOPES) as [ApiKeyScope, ...ApiKeyScope[]];

export function newApiKeyId(): string {
  return `key-${randomBytes(9).toString('hex')}`;
}

/** 256 random bits: guessing is hopeless, so one pass of a hash suffices to store it. */
export function newApiKeySecret(): string {
  return API_KEY_PREFIX + randomBytes(SECRET_BYTES).toString('base64url');
}

/**
 * The same secret for the same asker and seed: an answer can be given again while nothing of it is
 * kept. Only who holds the asker's own secret can make it.
 */
export function apiKeySecretFrom(askersSecret: string, seed: string): string {
  const mac = createHmac('sha256', askersSecret).update(`taximeter api key ${seed}`).digest();
  return API_KEY_PREFIX + mac.toString('base64url');
}

/** What is stored of a key, hexadecimal. */
export function hashApiKey(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
