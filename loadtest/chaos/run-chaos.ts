/** All rounds on one stage, and what they came to. */

import { FlagError } from '../../core/runtime/command.ts';
import type { ChaosFlags } from './flags.ts';
import { type ChaosReport, makeReport } from './report/chaos-report.ts';
import { playRound, type Round, roundSeed } from './round.ts';
import { FAULTS } from './schedule.ts';
import { openStage } from './stage/stage.ts';

export interface ChaosOptions {
  flags: ChaosFlags;
  folder: string;
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
  say(line: string): void;
}

const INTERVAL_MS = 1_000;
/** Interval and this is the longest gap that counts (rule 2). */
const TIMEOUT_MS = 14_000;
/** Who vanished is ended after it; a round waits for that. */
const RESUME_WINDOW_MS = 20_000;
const API_KEY = 'dev-key';

/** The faults whose name begins with one of these. @throws FlagError for a beginning that none has */
function faultsOf(only: readonly string[]) {
  const begins = (name: string, it: string) => name.toLowerCase().startsWith(it.toLowerCase());
  for (const it of only) {
    if (FAULTS.some(({ name }) => begins(name, it))) continue;
    const names = FAULTS.map(({ name }) => name).join(', ');
    throw new FlagError(`--only: no fault begins with "${it}". There are: ${names}.`);
  }
  if (only.length === 0) return FAULTS;
  return FAULTS.filter(({ name }) => only.some((it) => begins(name, it)));
}

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { flags, folder, env, signal, say } = options;
  const faults = faultsOf(flags.only);
  const startedAt = new Date().toISOString();
  const startMs = performance.now();
  const stage = await openStage({
    ...{ folder, env, say, gateways: flags.gateways, workers: flags.workers, apiKey: API_KEY },
    ...{ intervalMs: INTERVAL_MS, timeoutMs: TIMEOUT_MS, resumeWindowMs: RESUME_WINDOW_MS },
    isKept: flags.isKept,
  });
  const played: { round: number; it: Round }[] = [];
  const numbers =
    flags.round === null ? Array.from({ length: flags.rounds }, (_, i) => i + 1) : [flags.round];
  try {
    for (const round of numbers) {
      if (signal.aborted) break;
      const seed = roundSeed(flags.seed, round);
      const stamp = new Date().toISOString().slice(0, 19).replace(/\D/g, '');
      const it = await playRound({
        ...{ stage, seed, run: `${stamp}-${seed}`, faults, apiKey: API_KEY, signal },
        ...{ resumeWindowMs: RESUME_WINDOW_MS, sessions: flags.sessions },
        ...{ organizations: flags.organizations },
        ...{ seconds: flags.seconds, faultsPerMinute: flags.faultsPerMinute },
        struck: ({ name, target }) => say(`  ${name}: ${target}`),
      });
      played.push({ round, it });
      const kills = it.struck.reduce((sum, { kills: some }) => sum + some, 0);
      const { findings } = it.judgement;
      const found = findings.length === 0 ? 'holds' : `${findings.length} findings`;
      say(
        `round ${round} of ${numbers.at(-1)}: ${it.struck.length} faults, ${kills} kills, ${found}`,
      );
      for (const { kind, session, org, detail } of findings.slice(0, 5)) {
        say(`  ${kind}  ${session ?? org}: ${detail}`);
      }
    }
    const { incidents } = stage;
    const lengthMs = performance.now() - startMs;
    return makeReport({ startedAt, lengthMs, flags, played, incidents });
  } finally {
    say('stopping what was started ...');
    await stage.stop();
  }
}
