/**
 * Opens a session in the meter: seeds what it lacks, looks an unknown session up in the ledger before
 * it is thought new (rule 16), and waits out a recovery for a while.
 */
import type { Meter, OpenReply } from '../core/meter/commands.ts';
import type { DayLimits, OpenCommand } from '../core/meter/open-command.ts';
import type { LedgerBase, Untold, Witness } from '../core/meter/rows.ts';
import { MeterUnreachable } from '../core/meter/servers.ts';
import type { SessionEnd } from '../core/protocol/messages.ts';
import { createCounting } from './counting.ts';
import type { Ledger } from './ledger.ts';
import { createPlace, pollMs, type Wait } from './place.ts';
import type { Seeding } from './seeding.ts';
import { endsUntold } from './session.ts';
import { endOfBase, endOfRow } from './session-end.ts';

/** A recorder waits this long for a shard that is being recovered; then it is told to come again. */
const PATIENCE_MS = 5_000;
const AGAIN_MS = 100;

export type Opened =
  | Exclude<
      OpenReply,
      { status: 'recover' | 'unseeded' | 'unknown' | 'foreign' | 'ended' | 'uncounted' }
    >
  /** null: the ledger does not have all of it yet */
  | { status: 'ended'; end: SessionEnd | null };

export interface OpeningOptions {
  meter: Pick<Meter, 'open' | 'count' | 'leave'>;
  ledger: Pick<Ledger, 'base' | 'starts'>;
  seeding: Seeding;
  clock: { monotonicMs(): number; wallMs(): number };
  /** meter time, as far as it is known here */
  now(): number;
  needed(org: string): void;
  /** what other gateways proved in an outage is in the meter */
  outageTold(org: string): Promise<void>;
  /** the meter answered, and said its time */
  answered(now: number): void;
  unanswered(error: unknown): void;
}

export type OpenRequest = Omit<
  OpenCommand,
  'base' | 'kind' | 'gatewayWallMs' | 'day' | 'memoryAgeMs'
> & {
  /** meter ms since its `memoryMs` was proven, now; left out: none */
  memoryAgeMs?(): number;
  /** whether a session that nobody knows is a new one */
  mayBeNew: boolean;
  /** its id was made here just now: nobody can know it */
  isFresh: boolean;
  /** when it began, where its witness has to stand for it */
  startedAt: number | null;
  /** Whoever asked still waits: a socket that is gone must take nothing over. */
  isAwaited(): boolean;
  /** limits of the local day of a meter instant; null: none */
  dayAt(at: number): DayLimits | null;
  /** how it waits for a place, where the plan has a queue; null: it does not */
  wait: Wait | null;
};

/** null: nobody knows it, it is another member's, or nobody waits for the answer any more. */
export type Open = (request: OpenRequest) => Promise<Opened | null>;

/** Throws where the meter or the ledger cannot be asked, or the recovery takes too long. */
export function createOpening(options: OpeningOptions): Open {
  const { meter, ledger, seeding, clock } = options;
  const counting = createCounting({ ledger, meter });

  /** Of a session that only its witness knows: it began as its own marks say. */
  function baseOfWitness(witness: Witness, began: number | null): LedgerBase {
    const { period } = witness.marks[0]!;
    const startedAt = began ?? witness.at - witness.totalMs;
    const marks = [{ period, chargedMs: 0 }];
    return { startedAt, ended: false, reason: '', overshootMs: 0, marks, chargedMs: 0 };
  }

  /** What could not be told counts unless the session's end was: that stands. */
  function untoldIn({ untold }: OpenRequest, base: LedgerBase | null): Untold | null {
    return base?.ended && !endsUntold(base.reason) ? null : (untold ?? null);
  }

  /** Then nothing of it has to come back into the meter. */
  function hasAll(base: LedgerBase, witness: Witness | null, untold: Untold | null): boolean {
    const totalMs = (witness?.totalMs ?? 0) + (untold?.ms ?? 0);
    return base.ended && totalMs <= base.chargedMs + base.overshootMs;
  }

  return async function open(asked) {
    const { mayBeNew, isFresh, startedAt, isAwaited, dayAt, wait, memoryAgeMs, ...request } = asked;
    const { org, session, witness } = request;
    const place = createPlace(request.queue ?? null, wait, clock);
    let until = clock.monotonicMs() + PATIENCE_MS;
    let kind: OpenCommand['kind'] = isFresh ? 'new' : 'resume';
    let base: LedgerBase | null = null;
    let day = dayAt(options.now());
    await options.outageTold(org);
    while (isAwaited()) {
      const gatewayWallMs = clock.wallMs();
      const command: OpenCommand = {
        ...{ ...request, queue: place.ask(), day, kind, base, gatewayWallMs },
        ...{ memoryAgeMs: memoryAgeMs?.() ?? 0, untold: untoldIn(asked, base) },
      };
      const reply = await meter.open(command).catch((error) => {
        options.unanswered(error);
        // Who waits goes on waiting, as long as it may.
        if (place.isWaiting() && error instanceof MeterUnreachable) return null;
        throw error;
      });
      if (reply === null) await pause(AGAIN_MS);
      else if ('now' in reply) options.answered(reply.now);
      if (reply === null) {
        if (place.isOver()) throw new Error('The meter does not answer.');
        continue;
      }
      if (reply.status === 'unknown') {
        const known = await ledger.base(org, session);
        if (known && known.user !== request.user) return null;
        if (known && hasAll(known.base, witness, untoldIn(asked, known.base))) {
          const { base: all, closedAt } = known;
          return { status: 'ended', end: closedAt === null ? null : endOfBase(all, closedAt) };
        }
        if (known) base = known.base;
        else if (witness) base = baseOfWitness(witness, startedAt);
        else if (mayBeNew) kind = 'new';
        else return null;
      } else if (reply.status === 'foreign') {
        return null;
      } else if (reply.status === 'unseeded') {
        // A recovery may be half done: Postgres and the meter are of two generations then.
        if (!(await seeding.seed(org, reply.budgets))) await pause(AGAIN_MS);
      } else if (reply.status === 'uncounted') {
        day = dayAt(reply.now);
        if (day && !(await counting(org, reply.generation, day.startsAt))) await pause(AGAIN_MS);
      } else if (reply.status === 'recover') {
        options.needed(org);
        await pause(AGAIN_MS);
      } else if (reply.status === 'queued') {
        place.queued(reply);
        if (place.isOver()) {
          await meter.leave(org, request.user, session);
          return reply;
        }
        await pause(pollMs(reply.ahead));
        until = clock.monotonicMs() + PATIENCE_MS;
      } else if (reply.status === 'ended') {
        return { status: 'ended', end: endOfRow(reply.session) };
      } else {
        return reply;
      }
      if (clock.monotonicMs() > until) throw new Error('The meter is being recovered.');
    }
    // Else its turn is kept for a while: its recorder was lost, and may come back.
    if (place.isCancelled()) await meter.leave(org, request.user, session).catch(() => {});
    return null;
  };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
