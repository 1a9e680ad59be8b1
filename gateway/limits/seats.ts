/** How many sockets an address, a member and an organization may have at once, over all gateways. */
import { networkOf } from './network.ts';
import type { SocketCounts } from './socket-counts.ts';

export interface SeatLimits {
  maxSocketsPerAddress: number;
  maxSocketsPerMember: number;
  maxSocketsPerOrganization: number;
}

/** Whatever is taken is left again, also where it was one too many. */
export interface Seats {
  /** a sentence where it is one too many, else null */
  takeAddress(address: string): Promise<string | null>;
  leaveAddress(address: string): void;
  takeMember(org: string, user: string): Promise<string | null>;
  leaveMember(org: string, user: string): void;
}

export function createSeats(counts: SocketCounts, limits: SeatLimits): Seats {
  // Ids have no bar in them: two names never make one.
  const memberOf = (org: string, user: string) => `${org}|${user}`;
  return {
    async takeAddress(address) {
      const most = limits.maxSocketsPerAddress;
      if (await counts.enter('address', networkOf(address), most)) return null;
      return `This address has its ${most} connections already: close one, then come again.`;
    },
    leaveAddress: (address) => counts.leave('address', networkOf(address)),
    async takeMember(org, user) {
      const { maxSocketsPerMember: most, maxSocketsPerOrganization: mostOfAll } = limits;
      // Sent together: a join waits for one answer of Redis, not for two.
      const [isIn, isOrgIn] = await Promise.all([
        counts.enter('member', memberOf(org, user), most),
        counts.enter('organization', org, mostOfAll),
      ]);
      if (!isIn) {
        return `This member has ${most} connections already: close one, then come again.`;
      }
      if (isOrgIn) return null;
      return `The organization has ${mostOfAll} connections already: close one, then come again.`;
    },
    leaveMember(org, user) {
      counts.leave('member', memberOf(org, user));
      counts.leave('organization', org);
    },
  };
}
