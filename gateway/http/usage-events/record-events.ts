/** Events on their way into the ledger: once each, with their costs and alerts, in one transaction. */
import { randomUUID } from 'node:crypto';
import { and, eq, inArray } from 'drizzle-orm';
import { localDay, localDayBounds } from '../../../core/calendar/local-day.ts';
import type { TextCipher } from '../../../core/runtime/text-cipher.ts';
import type { Transaction } from '../../../drizzle/client.ts';
import type { Limits } from '../../../drizzle/queries/load-limits.ts';
import { usageEvents } from '../../../drizzle/schema/usage-events.ts';
import type { HttpDeps } from '../deps.ts';
import { ProblemError } from '../problem.ts';
import { instant } from '../schemas.ts';
import { type DayCost, isCeilingReached, microsOf } from './cost.ts';
import { addDailyCosts, type DayAdded, readDailyCost, writeCostAlerts } from './daily-cost.ts';
import { metadataOf, sealedMetadata } from './event-metadata.ts';
import type { EventBody } from './event-schema.ts';
import { ceilingReached, eventIdReused } from './refusal.ts';

type EventRow = typeof usageEvents.$inferSelect;

export interface Recorded {
  ids: { id: string; isNew: boolean }[];
  /** Of today, with this. */
  today: DayCost;
  /** Whether `enforce` would have refused it, but for shadow mode. */
  isPastCeiling: boolean;
  alerts: number[];
}

/** An event before it is written. */
interface Coming {
  body: EventBody;
  id: string;
  day: string;
  occurredAt: number;
}

/**
 * Throws 409 where an id is known with other content, and with `enforce` 402 where a day's ceiling was
 * reached before. Then nothing is recorded, for the transaction fails.
 * @param at meter time, epoch ms
 */
export async function recordEvents(
  deps: Pick<HttpDeps, 'actions' | 'cipher'>,
  tx: Transaction,
  limits: Limits,
  bodies: readonly EventBody[],
  { at, enforce }: { at: number; enforce: boolean },
): Promise<Recorded> {
  const { org, timeZone, dailyCostCents, isShadow } = limits;
  const { cipher } = deps;
  requirePlausible(bodies, at);
  const coming = bodies.map((body) => comingOf(body, at, timeZone));
  const once = withoutTwins(coming);
  // By id, lest two requests with the same events wait for each other.
  const sorted = [...once.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const inserted = await tx
    .insert(usageEvents)
    .values(sorted.map((it) => rowOf(it, org, at, cipher)))
    .onConflictDoNothing()
    .returning({ id: usageEvents.id });
  const isNew = new Set(inserted.map(({ id }) => id));
  await compareWithKnown(
    tx,
    cipher,
    org,
    sorted.filter(({ id }) => !isNew.has(id)),
  );

  const added = addedByDay(sorted.filter(({ id }) => isNew.has(id)));
  const enforced = enforce && !isShadow;
  const sums = await addDailyCosts(tx, org, added, { limitCents: dailyCostCents, enforced });
  const dayCost = async (day: string): Promise<DayCost> => ({
    day,
    usedMicros:
      sums.find((sum) => sum.day === day)?.usedMicros ?? (await readDailyCost(tx, org, day)),
    limitCents: dailyCostCents,
    resetsAt: localDayBounds(day, timeZone).endsAt,
  });
  const refused = added.find(({ day }) => !sums.some((sum) => sum.day === day));
  if (refused !== undefined) throw ceilingReached(deps, org, await dayCost(refused.day));

  const before = (sum: { day: string; usedMicros: number }) =>
    sum.usedMicros - added.find(({ day }) => day === sum.day)!.costMicros;
  return {
    ids: statusesOf(coming, isNew),
    today: await dayCost(localDay(at, timeZone)),
    isPastCeiling: enforce && sums.some((sum) => isCeilingReached(before(sum), dailyCostCents)),
    alerts: await writeCostAlerts(tx, org, sums, dailyCostCents, at),
  };
}

function comingOf(body: EventBody, at: number, timeZone: string): Coming {
  const { occurredAt = at } = body;
  return { body, id: body.id ?? randomUUID(), day: localDay(occurredAt, timeZone), occurredAt };
}

/** An id that comes twice in one request is one event, if it says the same. */
function withoutTwins(coming: readonly Coming[]): Map<string, Coming> {
  const once = new Map<string, Coming>();
  for (const it of coming) {
    const twin = once.get(it.id);
    if (twin === undefined) once.set(it.id, it);
    else if (contentOf(twin.body) !== contentOf(it.body)) throw eventIdReused(it.id);
  }
  return once;
}

function statusesOf(coming: readonly Coming[], isNew: ReadonlySet<string>): Recorded['ids'] {
  const seen = new Set<string>();
  return coming.map(({ id }) => {
    const isFirst = isNew.has(id) && !seen.has(id);
    seen.add(id);
    return { id, isNew: isFirst };
  });
}

function addedByDay(coming: readonly Coming[]): DayAdded[] {
  const days = new Map<string, DayAdded>();
  for (const { day, body } of coming) {
    const sum = days.get(day) ?? { day, costMicros: 0, events: 0 };
    sum.costMicros += microsOf(body.costCents);
    sum.events += 1;
    days.set(day, sum);
  }
  return [...days.values()];
}

function rowOf(
  { body, id, day, occurredAt }: Coming,
  org: string,
  at: number,
  cipher: TextCipher,
): EventRow {
  const { kind, user = null, quantity, metadata } = body;
  const costMicros = microsOf(body.costCents);
  const sealed = sealedMetadata(cipher, org, id, metadata);
  return {
    ...{ org, id, kind, user, quantity, costMicros, day, occurredAt },
    ...{ recordedAt: at, metadata: sealed },
  };
}

async function compareWithKnown(
  tx: Transaction,
  cipher: TextCipher,
  org: string,
  repeated: readonly Coming[],
): Promise<void> {
  if (repeated.length === 0) return;
  const ids = repeated.map(({ id }) => id);
  const rows = await tx
    .select()
    .from(usageEvents)
    .where(and(eq(usageEvents.org, org), inArray(usageEvents.id, ids)));
  for (const { id, body } of repeated) {
    const known = rows.find((row) => row.id === id);
    if (known === undefined || !isSame(known, body, cipher)) throw eventIdReused(id);
  }
}

/** What was left out, or can't be read any more, differs from nothing. */
function isSame(known: EventRow, body: EventBody, cipher: TextCipher): boolean {
  const metadata = metadataOf(cipher, known);
  return (
    known.kind === body.kind &&
    known.user === (body.user ?? null) &&
    known.quantity === body.quantity &&
    known.costMicros === microsOf(body.costCents) &&
    (body.occurredAt === undefined || known.occurredAt === body.occurredAt) &&
    (metadata === null || sortedText(metadata) === sortedText(body.metadata))
  );
}

function contentOf({ kind, user, quantity, costCents, occurredAt, metadata }: EventBody): string {
  const costMicros = microsOf(costCents);
  return JSON.stringify([kind, user, quantity, costMicros, occurredAt, sortedText(metadata)]);
}

function sortedText(metadata: Record<string, string>): string {
  return JSON.stringify(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What reaches further than clocks differ would count in a day whose ceiling nobody sees yet. */
const MAX_AHEAD_MS = 5 * 60_000;
const MAX_AGE_DAYS = 400;
const DAY_MS = 24 * 3_600_000;

/** Throws 422 for an instant that can't be meant. @param at meter time, epoch ms */
function requirePlausible(bodies: readonly EventBody[], at: number): void {
  for (const { occurredAt } of bodies) {
    if (occurredAt === undefined) continue;
    if (occurredAt <= at + MAX_AHEAD_MS && occurredAt >= at - MAX_AGE_DAYS * DAY_MS) continue;
    throw new ProblemError(
      'invalid',
      `occurredAt must not lie more than ${MAX_AHEAD_MS / 60_000} minutes ahead, nor ${MAX_AGE_DAYS} days back, and is ${instant(occurredAt)}.`,
      { errors: [{ pointer: '/occurredAt', detail: `is out of range: ${instant(occurredAt)}` }] },
    );
  }
}
