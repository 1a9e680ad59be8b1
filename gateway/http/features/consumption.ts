/** One consumption: counted, remembered, and given back. Each is one transaction. */
import { randomUUID } from 'node:crypto';
import { and, desc, eq, isNull } from 'drizzle-orm';
import type { Period } from '../../../core/calendar/period.ts';
import type { Queryable, Transaction } from '../../../drizzle/client.ts';
import { ensurePeriod } from '../../../drizzle/queries/ensure-period.ts';
import { type Limits, loadLimits } from '../../../drizzle/queries/load-limits.ts';
import { featureConsumptions } from '../../../drizzle/schema/features.ts';
import type { HttpDeps } from '../deps.ts';
import { organizationUnknown } from '../live-budgets.ts';
import { countPieces, giveBackPieces, readPieces } from './piece-counts.ts';
import { deniedBy, type FeatureReason, type PieceCount, pieceLimits } from './piece-limit.ts';
import { windowsAt } from './quota-windows.ts';
import { denied, suspended, usedUp, type Wanted } from './refusal.ts';

export type ConsumptionRow = typeof featureConsumptions.$inferSelect;

export interface Consumed {
  id: string;
  counts: PieceCount[];
  /** Why it would have been refused, in shadow mode; null: it would not. */
  wouldRefuse: FeatureReason | null;
}

/**
 * Throws 403 where the plan or the member lacks the feature, 402 where a limit has no room for all of
 * the quantity, and then nothing is counted, for the transaction fails.
 * @param at meter time, epoch ms: one instant decides both the day and the month
 * @param by who asked, and the Idempotency-Key it came with
 */
export async function consumePieces(
  deps: Pick<HttpDeps, 'actions'>,
  tx: Transaction,
  wanted: Wanted,
  at: number,
  by: { actor: string; key: string | null },
): Promise<Consumed> {
  const { org, user, feature, quantity } = wanted;
  const limits = await loadLimits(tx, org, user);
  if (limits === null) throw organizationUnknown(org);
  if (limits.suspended) throw suspended(org);
  // On this connection: another one might be waited for by as many requests as there are.
  const period = await ensurePeriod(tx, org, at);
  const windows = windowsAt(at, limits.timeZone, period!);
  const counted = { org, user, feature, windows };
  const asked = pieceLimits(limits, feature);
  const denier = deniedBy(limits, feature);
  if (denier !== null && !limits.isShadow) throw denied(deps, wanted, limits.plan, denier);

  const counts = await countPieces(tx, counted, asked, quantity, !limits.isShadow);
  if (counts.length < asked.length) {
    const taken = new Set(counts.map(({ scope, per }) => `${scope} ${per}`));
    const full = asked.filter(({ scope, per }) => !taken.has(`${scope} ${per}`));
    throw usedUp(deps, wanted, await readPieces(tx, counted, full));
  }
  const isPast = counts.some(({ limit, used }) => limit !== null && used > limit);
  const wouldRefuse = denier !== null ? 'featureNotAllowed' : isPast ? 'limitReached' : null;
  const id = randomUUID();
  await tx.insert(featureConsumptions).values({
    ...{ org, id, user, feature, quantity, wouldRefuse },
    ...{ actor: by.actor, key: by.key, consumedAt: at },
    ...{ dayStartsAt: windows.day.startsAt, monthStartsAt: windows.month.startsAt },
  });
  return { id, counts, wouldRefuse };
}

/** Whether a consumption still counts. */
export async function isStanding(db: Queryable, org: string, id: string): Promise<boolean> {
  const [row] = await db
    .select({ undoneAt: featureConsumptions.undoneAt })
    .from(featureConsumptions)
    .where(and(eq(featureConsumptions.org, org), eq(featureConsumptions.id, id)));
  return row !== undefined && row.undoneAt === null;
}

/** By its id, or by the Idempotency-Key that its caller sent with it. */
export type Named = { id: string } | { actor: string; key: string };

/**
 * Gives its pieces back, once: undone before, it is answered as it is. null: there is none.
 * @param at meter time, epoch ms
 */
export async function undoConsumption(
  tx: Transaction,
  org: string,
  named: Named,
  at: number,
): Promise<ConsumptionRow | null> {
  const isNamed =
    'id' in named
      ? eq(featureConsumptions.id, named.id)
      : and(eq(featureConsumptions.actor, named.actor), eq(featureConsumptions.key, named.key));
  const mine = and(eq(featureConsumptions.org, org), isNamed);
  // One request sets it; another that waited for that finds nothing left to undo.
  const [undone] = await tx
    .update(featureConsumptions)
    .set({ undoneAt: at })
    .where(and(mine, isNull(featureConsumptions.undoneAt)))
    .returning();
  if (undone !== undefined) {
    await giveBackPieces(tx, org, undone);
    return undone;
  }
  const [before] = await tx
    .select()
    .from(featureConsumptions)
    .where(mine)
    .orderBy(desc(featureConsumptions.sequence))
    .limit(1);
  return before ?? null;
}

/** What a feature's counts are at an instant of that billing period. */
export function readCounts(
  db: Queryable,
  limits: Limits,
  who: { user: string; feature: string },
  at: number,
  period: Period,
): Promise<PieceCount[]> {
  const windows = windowsAt(at, limits.timeZone, period);
  const counted = { org: limits.org, ...who, windows };
  return readPieces(db, counted, pieceLimits(limits, who.feature));
}
