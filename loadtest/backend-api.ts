/** What the backend of an app would ask of the product: plans, organizations, tickets. */
import { PERCENT_LEVELS } from './lateness.ts';
import type { OrganizationScript } from './scenario.ts';

const REQUEST_TIMEOUT_MS = 15_000;
/** Requests at a time. */
const AT_ONCE = 8;
const MINUTE_MS = 60_000;

export interface Backend {
  /** Makes the plans and organizations of a run. */
  prepare(run: string, organizations: readonly OrganizationScript[]): Promise<void>;
  ticket(org: string, user: string, session: string): Promise<string>;
}

/** `url`: of any gateway, http or ws. @throws Error with what the API answered */
export function connectBackend(url: string, apiKey: string): Backend {
  const base = new URL(url);
  base.protocol = base.protocol.replace(/^ws/, 'http');

  async function ask<Answer>(method: string, path: string, body: object): Promise<Answer> {
    const response = await fetch(new URL(path, base), {
      method,
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${text}`);
    return JSON.parse(text) as Answer;
  }

  return {
    async prepare(run, organizations) {
      const plans = new Map<string, number | null>();
      for (const { quotaMs } of organizations) plans.set(planOf(run, quotaMs), quotaMs);
      for (const [plan, quotaMs] of plans) {
        await ask('PUT', `/v1/plans/${plan}`, {
          name: `Load test ${plan}`,
          minutes: quotaMs === null ? null : quotaMs / MINUTE_MS,
          thresholds: { percent: PERCENT_LEVELS, remainingMinutes: [] },
        });
      }
      const waiting = [...organizations];
      const makeSome = async () => {
        for (let next = waiting.pop(); next; next = waiting.pop()) {
          const plan = planOf(run, next.quotaMs);
          await ask('PUT', `/v1/orgs/${next.org}`, { name: next.org, plan });
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, makeSome));
    },

    async ticket(org, user, session) {
      const body = { org, user, session };
      return (await ask<{ ticket: string }>('POST', '/v1/tickets', body)).ticket;
    },
  };
}

function planOf(run: string, quotaMs: number | null): string {
  return quotaMs === null ? `${run}-unlimited` : `${run}-${quotaMs}ms`;
}
