/**
 * What every recorder of a run does and when: joins, pauses, losses, stops. From a seed, so that a run
 * whose audit fails can be had again. Instants are milliseconds from the start of the run.
 */
import { seededRandom } from '../client/index.ts';

/**
 * What a recorder does to itself. Of `lose` the client learns only that its socket is gone; who vanishes
 * never comes back, and says nothing.
 */
export type Step = { atMs: number } & (
  | { do: 'pause' | 'record' | 'lose' | 'stop' | 'vanish' }
  /** the network leaves and is back after `awayMs`; the client comes back to the same gateway */
  | { do: 'leave'; awayMs: number }
);

export interface RecorderScript {
  org: string;
  user: string;
  session: string;
  /** the gateway it tries first, by its place in the list */
  gateway: number;
  joinAtMs: number;
  steps: Step[];
  /** how long it takes to save when it is stopped */
  savingMs: number;
  seed: number;
}

export interface OrganizationScript {
  org: string;
  /** null: unlimited */
  quotaMs: number | null;
  recorders: RecorderScript[];
}

export interface Scenario {
  organizations: OrganizationScript[];
  /** by then the last recorder has said its stop */
  endsAtMs: number;
}

export interface ScenarioOptions {
  /** names organizations and sessions; a new one each run, as stores may remember the last */
  run: string;
  seed: number;
  sessions: number;
  alone: number;
  organizations: number;
  gateways: number;
  seconds: number;
  rampSeconds: number;
  joinSpreadMs: number | null;
  limitSeconds: number;
  limited: number;
  dropsPerMinute: number;
  pausesPerMinute: number;
  /** part of the recorders that vanish instead of stopping, 0 to 1 */
  vanishing?: number;
  /** part of those that stop by themselves on the way; what is not given is usual */
  early?: number;
}

/** A member may hold several recorders: they share that member's budget too. */
const RECORDERS_A_MEMBER = 3;
/** Part of the recorders that stop by themselves somewhere on the way. */
const EARLY_STOP_SHARE = 0.1;
const EARLIEST_STOP_MS = 1_000;
/** The rest stop at the end, this spread out. */
const LAST_STOPS_SPREAD_MS = 1_000;
const SHORTEST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 5_000;
const SHORTEST_AWAY_MS = 50;
const LONGEST_AWAY_MS = 3_000;
/** Nobody does two things at once; and what was sent before a loss should have left. */
const STEP_APART_MS = 250;
const LONGEST_SAVING_MS = 150;
const MINUTE_MS = 60_000;

type Random = () => number;
const between = (random: Random, from: number, to: number) => from + random() * (to - from);

/** Instants of events that come at random, so many a minute. */
function instants(random: Random, perMinute: number, fromMs: number, toMs: number): number[] {
  const found: number[] = [];
  if (perMinute === 0) return found;
  const meanMs = MINUTE_MS / perMinute;
  for (let atMs = fromMs; ; ) {
    atMs -= Math.log(1 - random()) * meanMs;
    if (atMs >= toMs) return found;
    found.push(atMs);
  }
}

/** Leaves out what would come too close to what is there. */
function add(steps: Step[], ...more: Step[]): void {
  const isFree = more.every((step) =>
    steps.every((known) => Math.abs(known.atMs - step.atMs) >= STEP_APART_MS),
  );
  if (isFree) steps.push(...more);
}

function stepsOf(random: Random, options: ScenarioOptions, joinAtMs: number): Step[] {
  const endMs = (options.rampSeconds + options.seconds) * 1_000;
  const isEarly = random() < (options.early ?? EARLY_STOP_SHARE) && options.joinSpreadMs === null;
  const stopMs = isEarly
    ? between(random, joinAtMs + EARLIEST_STOP_MS, endMs)
    : endMs + random() * LAST_STOPS_SPREAD_MS;
  const vanishes = options.vanishing !== undefined && random() < options.vanishing;
  const steps: Step[] = [{ atMs: stopMs, do: vanishes ? 'vanish' : 'stop' }];
  const lastMs = stopMs - STEP_APART_MS;
  let pausedUntilMs = 0;
  for (const atMs of instants(random, options.pausesPerMinute, joinAtMs, lastMs)) {
    const untilMs = Math.min(lastMs, atMs + between(random, SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS));
    if (atMs < pausedUntilMs + STEP_APART_MS || untilMs - atMs < SHORTEST_PAUSE_MS) continue;
    pausedUntilMs = untilMs;
    add(steps, { atMs, do: 'pause' }, { atMs: untilMs, do: 'record' });
  }
  for (const atMs of instants(random, options.dropsPerMinute, joinAtMs, lastMs)) {
    const isLost = random() < 0.5;
    const awayMs = between(random, SHORTEST_AWAY_MS, LONGEST_AWAY_MS);
    add(steps, isLost ? { atMs, do: 'lose' } : { atMs, do: 'leave', awayMs });
  }
  return steps.sort((a, b) => a.atMs - b.atMs);
}

function recorderOf(
  options: ScenarioOptions,
  org: string,
  place: { index: number; orgIndex: number; fromMs: number; toMs: number },
): RecorderScript {
  const seed = (options.seed * 0x9e3779b1 + place.index * 0x85ebca6b) >>> 0;
  const random = seededRandom(seed);
  const joinAtMs = between(random, place.fromMs, place.toMs);
  return {
    org,
    user: `member-${Math.floor(place.orgIndex / RECORDERS_A_MEMBER)}`,
    session: `${options.run}-${place.index}`,
    gateway: place.orgIndex % options.gateways,
    joinAtMs,
    steps: stepsOf(random, options, joinAtMs),
    savingMs: random() * LONGEST_SAVING_MS,
    seed,
  };
}

export function makeScenario(options: ScenarioOptions): Scenario {
  const { run, sessions, alone, limitSeconds, limited, rampSeconds, joinSpreadMs } = options;
  const random = seededRandom(options.seed);
  const quotaMs = Math.round(limitSeconds * 1_000);
  const shared = sessions === 0 ? 0 : options.organizations;
  const limitedCount = limitSeconds === 0 ? 0 : Math.round(shared * limited);
  const organizations: OrganizationScript[] = [];
  let index = 0;
  for (let i = 0; i < shared + alone; i++) {
    const isShared = i < shared;
    const org = `${run}-org-${i}`;
    const size = isShared ? Math.floor(sessions / shared) + (i < sessions % shared ? 1 : 0) : 1;
    const rampMs = rampSeconds * 1_000;
    const fromMs = joinSpreadMs === null ? 0 : random() * rampMs;
    const toMs = joinSpreadMs === null ? rampMs : fromMs + joinSpreadMs;
    const recorders = Array.from({ length: size }, (_, orgIndex) =>
      // Those that are alone are spread over the gateways too.
      recorderOf(options, org, {
        index: index++,
        orgIndex: orgIndex + (isShared ? 0 : i),
        fromMs,
        toMs,
      }),
    );
    const isLimited = limitSeconds > 0 && (i < limitedCount || !isShared);
    organizations.push({ org, quotaMs: isLimited ? quotaMs : null, recorders });
  }
  const endsAtMs = (rampSeconds + options.seconds) * 1_000 + LAST_STOPS_SPREAD_MS;
  return { organizations, endsAtMs };
}
