/** Tickets and tokens behind one face: whatever takes a ticket takes a provider's token too. */
import type { Log } from '../../core/runtime/log.ts';
import type { Tickets } from '../tickets.ts';
import type { Tokens } from './tokens.ts';

/** Members remembered as made; beyond it they are made again, which changes nothing. */
const MAX_REMEMBERED = 50_000;

export interface CredentialsOptions {
  tickets: Tickets;
  tokens: Tokens;
  /** Makes a member that nobody introduced, if its organization is there. */
  introduce(org: string, user: string): Promise<unknown>;
  log: Log;
}

export function createCredentials(options: CredentialsOptions): Tickets {
  const { tickets, tokens, introduce, log } = options;
  const introduced = new Set<string>();

  /** A ticket's member is made as it is minted; nobody minted these. Postgres away: another time. */
  async function makeMember(org: string, user: string): Promise<void> {
    const key = `${org}|${user}`;
    if (introduced.has(key)) return;
    if (introduced.size >= MAX_REMEMBERED) introduced.clear();
    introduced.add(key);
    try {
      await introduce(org, user);
    } catch (error) {
      introduced.delete(key);
      log.debug({ err: error, org }, 'a member could not be made yet');
    }
  }

  return {
    mint: tickets.mint,
    async verify(credential, request) {
      if (!tokens.isOne(credential)) return tickets.verify(credential, request);
      const claims = await tokens.verify(credential);
      if (!('error' in claims)) await makeMember(claims.org, claims.user);
      return claims;
    },
    redeem: (claims) => (claims.isReusable ? Promise.resolve(true) : tickets.redeem(claims)),
  };
}
