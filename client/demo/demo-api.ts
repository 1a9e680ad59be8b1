/**
 * The calls that stand in for an app's own backend: it knows who is signed in and asks the gateway
 * for a ticket. The gateway serves them in development only.
 */
import type { Ticket } from '../index.ts';

export interface DemoConfig {
  org: string;
  user: string;
  /** Meter seconds per real second; 1 but for the test clock. */
  speed: number;
  intervalMs: number;
}

/** Rejects with the sentence that the server gave, or one that says what to do. */
async function call<T>(path: string, body?: unknown): Promise<T> {
  const init =
    body === undefined
      ? {}
      : {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        };
  const response = await fetch(path, init).catch(() => {
    throw new Error('The gateway cannot be reached. Check that it runs, then try again.');
  });
  if (response.ok) return (await response.json().catch(() => ({}))) as T;
  const problem = (await response.json().catch(() => ({}))) as { detail?: string };
  throw new Error(problem.detail ?? `${path} answered with HTTP ${response.status}.`);
}

export function fetchConfig(): Promise<DemoConfig> {
  return call('/demo/config');
}

export function fetchTicket(user: string): Promise<Ticket> {
  return call('/demo/ticket', { user });
}

export async function giveExtraMinutes(minutes: number): Promise<void> {
  await call('/demo/extra-minutes', { minutes });
}
