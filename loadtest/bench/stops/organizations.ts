/** Budgets of many sizes that all run out, each after the same time: the script of P4. */
import type { OrganizationScript } from '../../scenario.ts';

/** Sessions on a budget, and how many budgets of that size: about as many stops of each size. */
const BUDGETS: readonly (readonly [sessions: number, budgets: number])[] = [
  [1, 40],
  [5, 10],
  [20, 4],
  [50, 2],
  [200, 1],
];
export const SIZES = BUDGETS.map(([sessions]) => sessions);

/** A budget lasts so long for all its sessions together. */
const LIMIT_MS = 6_000;
/** Budgets begin one after the other, so that joining does not crowd the stops. */
const BEGIN_OVER_MS = 16_000;
/**
 * Its sessions join so close to each other, and a little further for each of them: one thread has all
 * their recorders, and whose `started` it reads late begins late by its own clock.
 */
const JOIN_SPREAD_MS = 300;
const JOIN_APART_MS = 25;
/** Nobody stops by itself: by then all have been stopped. */
const GIVE_UP_MS = 40_000;
const LONGEST_SAVING_MS = 50;

export interface StopScript {
  organizations: OrganizationScript[];
  /** sessions by organization */
  sizes: Map<string, number>;
  /** the last budget has surely run out by then */
  endsAtMs: number;
}

export function makeOrganizations(run: string, gateways: number, scale: number): StopScript {
  const sizes = new Map<string, number>();
  const overMs = BEGIN_OVER_MS * scale;
  const all = BUDGETS.flatMap(([size, budgets]) =>
    Array.from({ length: Math.ceil(budgets * scale) }, (_, i) => ({
      ...{ org: `${run}-of-${size}-${i}`, size },
    })),
  );
  const organizations = all.map(({ org, size }, place) => {
    sizes.set(org, size);
    // The largest first: they take longest to join.
    const beginMs = (overMs * (all.length - 1 - place)) / all.length;
    const spreadMs = JOIN_SPREAD_MS + size * JOIN_APART_MS;
    const recorders = Array.from({ length: size }, (_, i) => ({
      ...{ org, user: `member-${i}`, session: `${org}-${i}`, gateway: (i + place) % gateways },
      joinAtMs: beginMs + (spreadMs * i) / size,
      steps: [{ atMs: GIVE_UP_MS, do: 'stop' as const }],
      savingMs: (LONGEST_SAVING_MS * i) / size,
      seed: place * 1_000 + i,
    }));
    return { org, quotaMs: size * LIMIT_MS, recorders };
  });
  return { organizations, sizes, endsAtMs: overMs + 3 * LIMIT_MS };
}
