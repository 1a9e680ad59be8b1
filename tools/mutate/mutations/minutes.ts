/** Records, and what the ledger says of them: rules 10 to 14 of core/meter/README.md. */
import type { Mutation } from '../mutation.ts';

const SETTLED = 'core/meter/scripts/settled-1.lua';
const UNSETTLED = 'core/meter/scripts/include/unsettled.lua';
const RULES = ['core/meter/rules-minutes.test.ts'];

export const MINUTES: readonly Mutation[] = [
  {
    name: 'open-minute',
    rule: 'rule 10',
    unguarded: 'the last piece of a session that rests never reaches the ledger',
    file: 'core/meter/scripts/include/charge.lua',
    text: 'if not counted then put_minutes(ctx, rec, true) end\n  return stopped',
    replacement: 'return stopped',
    tests: RULES,
  },
  {
    name: 'put-again-only-grown',
    rule: 'rule 10',
    unguarded: 'a settled record is put again though nothing has grown',
    file: UNSETTLED,
    text: 'if charged <= rec[WRITTEN] then return end',
    replacement: 'if charged < rec[WRITTEN] then return end rec[WRITTEN] = rec[MARK]',
    tests: RULES,
  },
  {
    name: 'record-on-its-own-period',
    rule: 'rule 10',
    unguarded: 'a minute across a boundary is counted in both periods',
    file: UNSETTLED,
    text: 'local from = max(minute * MINUTE_MS, rec[MARK])',
    replacement: 'local from = minute * MINUTE_MS',
    tests: ['core/meter/rules-owners.test.ts'],
  },
  {
    name: 'settled-sequence',
    rule: 'rule 12',
    unguarded: 'older sums of the ledger take the place of newer ones',
    file: SETTLED,
    text: 'if b and settled.sequence > b[SEQUENCE] then',
    replacement: 'if b then',
    tests: RULES,
  },
  {
    name: 'drawn-sequence',
    rule: 'rule 12',
    unguarded: 'an older figure of what was drawn takes the place of a newer one',
    file: SETTLED,
    text: 'if acc and settled.sequence > acc[DRAWN_SEQUENCE] then',
    replacement: 'if acc then',
    tests: RULES,
  },
  {
    name: 'settled-generation',
    rule: 'rule 12, the generation',
    unguarded: 'a worker of before a recovery removes fields of after it',
    file: SETTLED,
    text: "if tonumber(ARGV[2]) ~= ctx.generation then return { 'staleGeneration' } end",
    replacement: '',
    tests: RULES,
  },
  {
    name: 'seed-draws-once',
    rule: 'rule 12',
    unguarded: 'what a seed says is drawn is counted beside what drew it',
    file: 'core/meter/scripts/seed-1.lua',
    text: 'if not acc then make_account(command.account) end',
    replacement:
      'if not acc then make_account(command.account) end acc[DRAWN_SETTLED] = command.account.drawn.drawnMs',
    tests: RULES,
  },
  {
    name: 'older-period-first',
    rule: 'rule 12',
    unguarded: 'the period that came first to the meter draws extra minutes first',
    file: 'core/meter/scripts/seed-1.lua',
    text: 'table.sort(acc[PERIODS])',
    replacement: '',
    tests: RULES,
  },
  {
    name: 'compare-and-remove',
    rule: 'rule 13, compare-and-remove',
    unguarded: 'what grew between the commit and the removal is lost',
    file: SETTLED,
    text: 'if value == command.removed[2 * i] and not gone[field] then',
    replacement: 'if value and not gone[field] then',
    tests: RULES,
  },
  {
    name: 'retires-when-settled',
    rule: 'rule 13',
    unguarded: 'an ended session goes while minutes of it wait',
    file: SETTLED,
    text: 'if rec[UNSETTLED] == 0 and rec[STATE] == STATES.ended then retire(rec) end',
    replacement: 'if rec[STATE] == STATES.ended then retire(rec) end',
    tests: RULES,
  },
];
