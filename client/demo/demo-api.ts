/**
 * The calls that stand in for an app's own backend: it knows who is signed in and asks the gateway
 * for a ticket. The gateway serves them in development only.
 */
import type { Reading, Ticket } from '../index.ts';

export interface DemoConfig {
  org: string;
  user: string;
  /** Meter seconds per real second; 1 but for the test clock. */
  speed: number;
  intervalMs: number;
}

/** Rejects with the sentence that the server gave, or one that says what to do. */
async function call<T>(path: string, body?: unknown, ticket?: string): Promise<T> {
  const headers = new Headers({ 'content-type': 'application/json' });
  if (ticket !== undefined) headers.set('authorization', `Bearer ${ticket}`);
  const init = body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) };
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

const instant = (text: string | null) => (text === null ? null : Date.parse(text));

/** What the meter says before anything is recorded. The HTTP API writes instants in ISO 8601. */
export async function fetchReading(org: string, user: string): Promise<Reading> {
  type Dates = 'at' | 'endsAt' | 'periodEndsAt';
  type HttpReading = Omit<Reading, Dates> & Record<'endsAt' | 'periodEndsAt', string | null>;
  const { ticket } = await fetchTicket(user);
  const path = `/v1/orgs/${encodeURIComponent(org)}/check`;
  const { reading } = await call<{ reading: HttpReading & { at: string } }>(path, { user }, ticket);
  const { at, endsAt, periodEndsAt, ...rest } = reading;
  return {
    ...rest,
    at: Date.parse(at),
    endsAt: instant(endsAt),
    periodEndsAt: instant(periodEndsAt),
  };
}
