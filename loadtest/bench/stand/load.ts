/** Names of organizations and sessions, and making the organizations through the API. */
import { connectBackend } from '../../backend-api.ts';
import type { SessionName } from '../crowd/dialect.ts';

/** What `npm start` and the tests use, too: DEVELOPMENT=1 lets it in. */
export const API_KEY = 'dev-key';
/** Far away, but a limit: every beat is charged and checked against it. */
const QUOTA_MS = 1_000_000 * 60_000;

/** Sessions of so many to an organization, each by a member of its own. */
export function namesOf(prefix: string, count: number, perOrganization: number): SessionName[] {
  return Array.from({ length: count }, (_, i) => ({
    org: `${prefix}-${Math.floor(i / perOrganization)}`,
    user: `member-${i % perOrganization}`,
    session: `${prefix}-session-${i}`,
  }));
}

export async function makeOrganizations(
  port: number,
  prefix: string,
  names: readonly SessionName[],
): Promise<void> {
  const organizations = [...new Set(names.map(({ org }) => org))].map((org) => ({
    ...{ org, quotaMs: QUOTA_MS, recorders: [] },
  }));
  await connectBackend(`http://127.0.0.1:${port}`, API_KEY).prepare(prefix, organizations);
}
