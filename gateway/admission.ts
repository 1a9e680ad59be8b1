/** Lets recorders in: who are they, may they, and the session that they start, resume or take over. */
import { randomUUID } from 'node:crypto';
import type { Witness } from '../core/meter/rows.ts';
import { isId } from '../core/protocol/limits.ts';
import type { Action, Binding, Resume, Start } from '../core/protocol/messages.ts';
import type { Log } from '../core/runtime/log.ts';
import type { Limits } from '../drizzle/queries/load-limits.ts';
import { admissionLimits } from './admission-limits.ts';
import type { Caller, Crowded } from './caller.ts';
import type { Checkpoint, CheckpointSeal } from './checkpoint.ts';
import { claimedMs, isForgiven } from './claim.ts';
import type { Hub } from './hub.ts';
import type { Ledger } from './ledger.ts';
import type { MeterTime } from './meter-time.ts';
import type { Open, Opened, OpenRequest } from './opening.ts';
import { waitOf } from './place.ts';
import { type Refusal, refusal, refusalOf } from './refusal.ts';
import { createLiveSession, hearCaptured, isNewer, type LiveSession } from './session.ts';
import type { SessionMetadata } from './session-metadata.ts';
import { prove, type StopwatchRules, startStopwatch, wholeMs } from './stopwatch.ts';
import type { Tickets } from './tickets.ts';

export interface AdmissionOptions {
  open: Open;
  ledger: Ledger;
  tickets: Tickets;
  seal: CheckpointSeal;
  metadata: Pick<SessionMetadata, 'keep'>;
  hub: Hub;
  time: MeterTime;
  clock: { monotonicMs(): number; wallMs(): number };
  rules: StopwatchRules;
  /** real ms: so long a checkpoint lets its holder in */
  resumeWindowMs: number;
  actions(binding: Binding): Action[];
  /** Whether the meter knows of no later owner; else what is remembered here measures no gap. */
  isOwner(session: LiveSession): Promise<boolean>;
  log: Log;
}

export interface Admitted {
  session: LiveSession;
  opened: Extract<Opened, { status: 'opened' | 'resumed' }>;
  /** as it said, if it did */
  plannedMs: number | null;
}

/** Who speaks, and for which session. */
interface Principal {
  org: string;
  user: string;
  session: string | null;
  trustCaptured: boolean;
}

type Asked = Pick<
  OpenRequest,
  'isFresh' | 'mayBeNew' | 'plannedMs' | 'witness' | 'authenticates' | 'startedAt' | 'isAwaited'
> & { untold: Checkpoint['untold'] };

export interface Admission {
  start(message: Start, caller: Caller): Promise<Admitted | Refusal | Crowded>;
  resume(message: Resume, caller: Caller): Promise<Admitted | Refusal | Crowded>;
}

export function createAdmission(options: AdmissionOptions): Admission {
  const { open, ledger, tickets, seal, hub, time, clock, rules, log } = options;

  async function redeem(
    ticket: string | undefined,
    { origin, takeSeat }: Caller,
  ): Promise<Principal | Refusal | Crowded> {
    if (!ticket) {
      return refusal('ticketInvalid', 'A ticket is needed: get one from your backend and send it.');
    }
    const claims = await tickets.verify(ticket, { origin });
    if ('error' in claims) return refusal(claims.error, claims.detail);
    if (!claims.scopes.includes('record')) {
      return refusal(
        'ticketInvalid',
        'This ticket only reads figures; it does not let a recorder in.',
      );
    }
    const { org, user, trustCaptured } = claims;
    // Both ask Redis, at once.
    const [isFirst, crowded] = await Promise.all([tickets.redeem(claims), takeSeat(org, user)]);
    if (!isFirst) return refusal('ticketStale', 'This ticket was used already: get a fresh one.');
    if (crowded !== null) return { crowded };
    return { org, user, trustCaptured, session: claims.session ?? null };
  }

  /** The checkpoint's word, and whether it is fresh enough to let its holder in. */
  function authenticates(checkpoint: Checkpoint): boolean {
    return clock.wallMs() - checkpoint.sealedAt <= options.resumeWindowMs;
  }

  /** Whether nobody has owned it since: neither its recorder nor the meter knows of a later owner. */
  async function isLast(own: LiveSession, witness: Witness | null): Promise<boolean> {
    if (witness && isNewer(witness.epoch, own.epoch)) return false;
    return options.isOwner(own);
  }

  /** What the stopwatch here proves now, if the session was last metered here. */
  function memory(earlier: LiveSession): number {
    const { kind } = earlier.phase;
    const goesOn = kind === 'recording' || kind === 'paused';
    if (goesOn) prove(earlier.stopwatch, clock.monotonicMs(), rules);
    return claimedMs(earlier, rules.speed);
  }

  /** meter ms; null: it is not trusted to say, or did not */
  function capturedIn({ trustCaptured }: Principal, capturedMs: number | null): number | null {
    return trustCaptured && capturedMs !== null ? Math.floor(capturedMs * rules.speed) : null;
  }

  async function admit(
    who: Principal,
    id: string,
    asked: Asked,
    caller: Caller,
    capturedMs: number | null,
  ): Promise<Admitted | Refusal> {
    const { org, user } = who;
    const limits = await ledger.limits(org, user, asked.isFresh ? undefined : id);
    const period = limits && (await ledger.period(org, time.now()));
    if (!limits || !period) {
      return refusal('organizationUnknown', `There is no organization "${org}".`);
    }
    if (limits.isLeased) {
      return refusal(
        'sessionInvalid',
        `The session "${id}" holds no socket: it is metered by POST /v1/orgs/${org}/minutes.`,
      );
    }
    const own = hub.get(org, id);
    const earlier = own?.user === user && (await isLast(own, asked.witness)) ? own : undefined;
    if (earlier) hearCaptured(earlier, capturedMs);
    const admits = admissionLimits(limits, time.speed);
    const askedAt = clock.monotonicMs();
    const opened = await open({
      session: id,
      org,
      user,
      period: period.startsAt,
      memoryMs: earlier ? memory(earlier) : null,
      // What is remembered here has been held against it.
      capturedMs: earlier ? null : capturedIn(who, capturedMs),
      memoryAgeMs: () => Math.floor((clock.monotonicMs() - askedAt) * rules.speed),
      countedGapMs: rules.countedGapMs * rules.speed,
      ...admits,
      wait: waitOf(limits, caller),
      ...asked,
      untold: asked.untold && { ...asked.untold, isForgiven: limits.outageTime === 'forgive' },
    });
    if (!opened) return foreign(id);
    const dayEndsAt = admits.dayAt(time.now())?.endsAt ?? null;
    const refused = refusalOf(opened, asked.plannedMs, options.actions, dayEndsAt);
    if (refused) return refused;
    const admitted = opened as Admitted['opened'];
    const session = sessionOf(admitted, limits, who, earlier ?? askedAt);
    hearCaptured(session, capturedMs);
    return { opened: admitted, session, plannedMs: asked.plannedMs };
  }

  /** Another member's: not told apart from one that is not there. */
  function foreign(id: string): Refusal {
    return refusal('sessionUnknown', `There is no session "${id}" to resume.`);
  }

  /**
   * When the time was proven that a resumed session comes with: as the meter charged its gap. What
   * passed since, on a wire or in a process that stood still, counts like any gap.
   */
  function resumedAt(chargedUpTo: number, askedAt: number): number {
    const at = clock.monotonicMs();
    const sinceMs = (time.now() - chargedUpTo) / time.speed;
    return at - Math.max(0, Math.min(sinceMs, at - askedAt));
  }

  /** `before`: the session as it was known here; else when the meter was asked. */
  function sessionOf(
    { session: row, status }: Admitted['opened'],
    limits: Limits,
    who: Principal,
    before: LiveSession | number,
  ): LiveSession {
    const at = clock.monotonicMs();
    const isRunning = row.state === 'recording' && row.stoppedBy === '';
    const earlier = typeof before === 'number' ? undefined : before;
    // (What is to be forgiven, and could not be told yet, is let go: going on from it would charge it.)
    const known = earlier && !isForgiven(earlier) ? wholeMs(earlier.stopwatch) : 0;
    // Known here, it was proven when it came back. A new one begins with `started` (rule 2).
    let provenAt = earlier?.stopwatch.provenAt ?? at;
    if (typeof before === 'number' && status === 'resumed') {
      provenAt = resumedAt(row.chargedUpTo, before);
    }
    const session = createLiveSession({
      row,
      limits: {
        saveWindowMs: limits.saveWindowMs,
        onMeterFailure: limits.onMeterFailure,
        meterFailureMs: limits.meterFailureMs,
        outageTime: limits.outageTime,
        sessionLimitMs: limits.isShadow ? null : limits.maxSessionMs,
        sessionLevels: limits.levels,
      },
      trustCaptured: who.trustCaptured,
      stopwatch: startStopwatch(Math.max(row.totalMs, known), provenAt, isRunning),
      at,
    });
    session.capturedMs = earlier?.capturedMs ?? null;
    return session;
  }

  async function guarded(
    run: () => Promise<Admitted | Refusal | Crowded>,
  ): Promise<Admitted | Refusal | Crowded> {
    try {
      return await run();
    } catch (error) {
      log.error({ err: error }, 'a session could not be admitted');
      return refusal(
        'meterUnavailable',
        'The meter cannot decide at the moment. Nothing was recorded or charged: try again soon.',
        { actions: [{ type: 'wait' }] },
      );
    }
  }

  return {
    start: (message, caller) =>
      guarded(async () => {
        const { ticket, isAwaited } = caller;
        const who = await redeem(message.ticket ?? ticket, caller);
        if ('code' in who || 'crowded' in who) return who;
        const id = message.session ?? who.session ?? randomUUID();
        if (!isId(id)) return refusal('sessionInvalid', `"${id}" is no id of a session.`);
        if (who.session && who.session !== id) {
          return refusal('ticketInvalid', `This ticket is for the session "${who.session}" only.`);
        }
        const plannedMs = message.plannedMs ?? null;
        const isFresh = !message.session && !who.session;
        const none = { witness: null, untold: null, authenticates: false, startedAt: null };
        const asked = { isFresh, mayBeNew: true, plannedMs, isAwaited, ...none };
        const admitted = await admit(who, id, asked, caller, null);
        const { metadata } = message;
        if (metadata && 'opened' in admitted) options.metadata.keep(who.org, id, metadata);
        return admitted;
      }),

    resume: (message, caller) =>
      guarded(async () => {
        const { ticket, isAwaited } = caller;
        const id = message.session;
        const checkpoint = message.checkpoint ? seal.open(message.checkpoint) : null;
        if (message.checkpoint && (!checkpoint || checkpoint.session !== id)) {
          return refusal('checkpointInvalid', 'This checkpoint is not of this session.');
        }
        let who: Principal;
        const presented = message.ticket ?? ticket;
        const isEnough = checkpoint !== null && authenticates(checkpoint);
        if (isEnough && !presented) {
          const { org, user, trustCaptured } = checkpoint;
          who = { org, user, trustCaptured, session: id };
          const crowded = await caller.takeSeat(org, user);
          if (crowded !== null) return { crowded };
        } else {
          const redeemed = await redeem(presented, caller);
          if ('crowded' in redeemed) return redeemed;
          if ('code' in redeemed) {
            return presented ? redeemed : refusal('ticketStale', 'Resume with a fresh ticket.');
          }
          who = redeemed;
        }
        const isOwn = !checkpoint || (checkpoint.org === who.org && checkpoint.user === who.user);
        if (!isOwn || (who.session && who.session !== id)) return foreign(id);
        const asked: Asked = {
          ...{ isFresh: false, mayBeNew: false, plannedMs: null, isAwaited },
          witness: checkpoint?.witness ?? null,
          untold: checkpoint?.untold ?? null,
          startedAt: checkpoint?.startedAt ?? null,
          authenticates: isEnough && !presented,
        };
        return admit(who, id, asked, caller, message.capturedMs ?? null);
      }),
  };
}
