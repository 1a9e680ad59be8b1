/** Limits of a connection and the protocol's timing, with their units. README.md says why. */
export const MAX_MESSAGE_BYTES = 4 * 1024;
export const MAX_FIRST_MESSAGE_BYTES = 16 * 1024;
export const MAX_DEPTH = 4;
export const MAX_METADATA_BYTES = 1024;
/** Beyond one beat a tick. */
export const MESSAGES_PER_SECOND = 10;
export const MESSAGE_BURST = 20;
export const START_TIMEOUT_MS = 10_000;
export const MAX_UNSENT_BYTES = 64 * 1024;
export const MAX_UNSENT_MS = 5_000;
export const DEFAULT_INTERVAL_MS = 5_000;
export const DEFAULT_TIMEOUT_MS = 15_000;
export const DEFAULT_RESUME_WINDOW_MS = 120_000;
export const DEFAULT_SAVE_WINDOW_MS = 10_000;

const ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

/** Ids of organizations, members, sessions, plans: 1–128 of `[A-Za-z0-9._:-]`, first a letter or digit. */
export function isId(value: unknown): value is string {
  return typeof value === 'string' && ID_PATTERN.test(value);
}
