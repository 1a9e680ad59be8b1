/** What counts: rules 1 to 3 of core/meter/README.md. */
import type { Mutation } from '../mutation.ts';

const BEATS = 'core/meter/scripts/beats-n.lua';
const OPEN = 'core/meter/scripts/open-1.lua';
const STOPWATCH = 'gateway/stopwatch.ts';
const RULES = ['core/meter/rules.test.ts'];

export const COUNTING: readonly Mutation[] = [
  {
    name: 'lower-total',
    rule: 'rule 1',
    unguarded: 'a total below the known one is taken for news',
    file: BEATS,
    text: 'if total < rec[TOTAL] then',
    replacement: 'if false then',
    tests: RULES,
  },
  {
    name: 'lower-total-of-an-end',
    rule: 'rule 1',
    unguarded: 'a last word with a lower total moves F',
    file: 'core/meter/scripts/close-1.lua',
    text: "if ARGV[5] == 'owner' and tonumber(ARGV[8]) >= rec[TOTAL] then",
    replacement: "if ARGV[5] == 'owner' then",
    tests: ['core/meter/rules-owners.test.ts'],
  },
  {
    name: 'gap-limit',
    rule: 'rule 2',
    unguarded: 'a gateway counts a gap of any length between two proofs',
    file: STOPWATCH,
    text: 'if (watch.isRunning && gap <= rules.countedGapMs) watch',
    replacement: 'if (watch.isRunning) watch',
    tests: ['gateway/stopwatch.test.ts'],
  },
  {
    name: 'gap-limit-at-a-return',
    rule: 'rule 2',
    unguarded: 'a session that returns is charged a gap of any length',
    file: OPEN,
    text: 'and gap > 0 and gap <= command.countedGapMs then',
    replacement: 'and gap > 0 then',
    tests: RULES,
  },
  {
    name: 'stopwatch-decides',
    rule: 'rule 2',
    unguarded: 'a gap is guessed though a stopwatch remembers it',
    file: OPEN,
    text: 'if given(command.memoryMs) then',
    replacement: 'if false then',
    tests: RULES,
  },
  {
    name: 'detached-from-a-pause',
    rule: 'rule 2',
    unguarded: 'the gap of a session that was paused when it was lost is charged',
    file: OPEN,
    text: 'or (rec[STATE] == STATES.detached and rec[RAN] == 1)',
    replacement: 'or rec[STATE] == STATES.detached',
    tests: RULES,
  },
  {
    name: 'late-proof',
    rule: 'rule 2',
    unguarded: 'a proof older than the last one takes time back',
    file: STOPWATCH,
    text: 'if (gap <= 0) return;',
    replacement: '',
    tests: ['gateway/stopwatch.test.ts'],
  },
  {
    name: 'sending-of-the-tick',
    rule: 'rule 2',
    unguarded: 'an answer proves time up to its receipt instead of the sending of its tick',
    file: 'gateway/hearing.ts',
    text: 'if (!Number.isNaN(sentAt)) prove(session.stopwatch, sentAt, rules);',
    replacement: 'if (!Number.isNaN(sentAt)) prove(session.stopwatch, at, rules);',
    tests: ['gateway/hearing.test.ts'],
  },
  {
    name: 'pause',
    rule: 'rule 3',
    unguarded: 'paused time counts',
    file: STOPWATCH,
    text: 'if (watch.isRunning && gap <= rules',
    replacement: 'if (gap <= rules',
    tests: ['gateway/stopwatch.test.ts'],
  },
  {
    name: 'captured-never-falls',
    rule: 'rule 3',
    unguarded: 'a trusted recorder takes back what was acknowledged',
    file: 'gateway/claim.ts',
    text: 'Math.min(proven, Math.max(captured, session.acknowledged.totalMs))',
    replacement: 'Math.min(proven, captured)',
    tests: ['gateway/claim.test.ts'],
  },
  {
    name: 'captured-only-lowers',
    rule: 'rule 3',
    unguarded: 'a trusted recorder is charged more than it proved',
    file: 'gateway/claim.ts',
    text: 'Math.min(proven, Math.max(captured, session.acknowledged.totalMs))',
    replacement: 'Math.max(captured, session.acknowledged.totalMs)',
    tests: ['gateway/claim.test.ts'],
  },
];
