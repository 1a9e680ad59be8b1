/** What can be simulated, and how a number of schedules is shared out between them. */

export interface Kind {
  name: string;
  /** the test file that runs it; the worlds it needs are those of the suite */
  file: string;
  /** of each thousand schedules: a schedule of some costs a hundred times one of others */
  share: number;
  needsStores: boolean;
}

export const KINDS: readonly Kind[] = [
  { name: 'meter', file: 'core/meter/simulation.test.ts', share: 200, needsStores: false },
  {
    name: 'lockstep',
    file: 'core/meter/simulation-lockstep.test.ts',
    share: 30,
    needsStores: true,
  },
  { name: 'gateway', file: 'gateway/simulation.test.ts', share: 10, needsStores: false },
  { name: 'ledger', file: 'worker/ledger/simulation.test.ts', share: 760, needsStores: false },
];

/** All of them go to the first kind where there are too few to share: a replay is of one schedule. */
export function shareOut(kinds: readonly Kind[], schedules: number): Record<string, number> {
  const whole = kinds.reduce((sum, kind) => sum + kind.share, 0);
  const parts = kinds.map((kind) => Math.floor((schedules * kind.share) / whole));
  const rest = schedules - parts.reduce((sum, part) => sum + part, 0);
  return Object.fromEntries(kinds.map((kind, i) => [kind.name, parts[i]! + (i === 0 ? rest : 0)]));
}
