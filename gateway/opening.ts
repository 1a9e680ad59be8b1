/**
 * Opens a session in the meter: seeds what it lacks, looks an unknown session up in the ledger before
 * it is thought new (rule 16), and waits out a recovery for a while.
 */
import type { Meter, OpenCommand, OpenReply } from '../core/meter/commands.ts';
import type { LedgerBase, Witness } from '../core/meter/rows.ts';
import type { Ledger } from './ledger.ts';
import type { Seeding } from './seeding.ts';

/** A recorder waits this long for a shard that is being recovered; then it is told to come again. */
const PATIENCE_MS = 5_000;
const AGAIN_MS = 100;

export type Opened =
  | Exclude<OpenReply, { status: 'recover' | 'unseeded' | 'unknown' | 'foreign' | 'ended' }>
  | { status: 'ended' };

export interface OpeningOptions {
  meter: Pick<Meter, 'open'>;
  ledger: Pick<Ledger, 'base'>;
  seeding: Seeding;
  clock: { monotonicMs(): number; wallMs(): number };
  needed(org: string): void;
  /** what other gateways proved in an outage is in the meter */
  outageTold(org: string): Promise<void>;
  /** the meter answered, and said its time */
  answered(now: number): void;
  unanswered(error: unknown): void;
}

export type OpenRequest = Omit<OpenCommand, 'base' | 'kind' | 'gatewayWallMs'> & {
  /** whether a session that nobody knows is a new one */
  mayBeNew: boolean;
  /** its id was made here just now: nobody can know it */
  isFresh: boolean;
  /** when it began, where its witness has to stand for it */
  startedAt: number | null;
  /** Whoever asked still waits: a socket that is gone must take nothing over. */
  isAwaited(): boolean;
};

/** null: nobody knows it, it is another member's, or nobody waits for the answer any more. */
export type Open = (request: OpenRequest) => Promise<Opened | null>;

/** Throws where the meter or the ledger cannot be asked, or the recovery takes too long. */
export function createOpening(options: OpeningOptions): Open {
  const { meter, ledger, seeding, clock } = options;

  /** Of a session that only its witness knows: it began as its own marks say. */
  function baseOfWitness(witness: Witness, began: number | null): LedgerBase {
    const { period } = witness.marks[0]!;
    const startedAt = began ?? witness.at - witness.totalMs;
    const marks = [{ period, chargedMs: 0 }];
    return { startedAt, ended: false, reason: '', overshootMs: 0, marks, chargedMs: 0 };
  }

  /** Then nothing of it has to come back into the meter. */
  function hasAll(base: LedgerBase, witness: Witness | null): boolean {
    return base.ended && (witness?.totalMs ?? 0) <= base.chargedMs + base.overshootMs;
  }

  return async function open({ mayBeNew, isFresh, startedAt, isAwaited, ...request }) {
    const { org, session, witness } = request;
    const until = clock.monotonicMs() + PATIENCE_MS;
    let kind: OpenCommand['kind'] = isFresh ? 'new' : 'resume';
    let base: LedgerBase | null = null;
    const wait = () => new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    await options.outageTold(org);
    while (isAwaited()) {
      const gatewayWallMs = clock.wallMs();
      const reply = await meter.open({ ...request, kind, base, gatewayWallMs }).catch((error) => {
        options.unanswered(error);
        throw error;
      });
      if ('now' in reply) options.answered(reply.now);
      if (reply.status === 'unknown') {
        const known = await ledger.base(org, session);
        if (known && known.user !== request.user) return null;
        if (known && hasAll(known.base, witness)) return { status: 'ended' };
        if (known) base = known.base;
        else if (witness) base = baseOfWitness(witness, startedAt);
        else if (mayBeNew) kind = 'new';
        else return null;
      } else if (reply.status === 'foreign') {
        return null;
      } else if (reply.status === 'unseeded') {
        // A recovery may be half done: Postgres and the meter are of two generations then.
        if (!(await seeding.seed(org, reply.budgets))) await wait();
      } else if (reply.status === 'recover') {
        options.needed(org);
        await wait();
      } else {
        return reply;
      }
      if (clock.monotonicMs() > until) throw new Error('The meter is being recovered.');
    }
    return null;
  };
}
