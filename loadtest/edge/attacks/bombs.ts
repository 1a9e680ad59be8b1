/** Messages of up to 16 KB that are meant to cost more than they are. */

const MAX_BYTES = 16_384;
const fill = (before: string, piece: string, after: string): string =>
  before +
  piece.repeat(Math.floor((MAX_BYTES - before.length - after.length) / piece.length)) +
  after;
const nested = (open: string, close: string, depth: number) =>
  `${open.repeat(depth)}${close.repeat(depth)}`;

/** A start without a ticket, which is refused with 4501 if nothing else is wrong with it. */
const NOT_LET_IN = 'close 4501';
const BAD = 'close 4506';

export const BOMBS: readonly (readonly [name: string, text: string, end: string])[] = [
  ['brackets that never close', fill('', '[', ''), BAD],
  ['objects in objects that never close', fill('', '{"a":', ''), BAD],
  ['lists in lists', nested('[', ']', 8_000), BAD],
  ['a field 8,000 levels deep', `{"type":"start","x":${nested('[', ']', 8_000)}}`, BAD],
  ['a field 4 levels deep', '{"type":"start","x":[[[[]]]]}', BAD],
  ['a field 3 levels deep', '{"type":"start","x":[[[]]]}', NOT_LET_IN],
  ['a long list', fill('{"type":"start","x":[', '0,', '0]}'), NOT_LET_IN],
  ['a long list of lists', fill('{"type":"start","x":[', '[],', '[]]}'), NOT_LET_IN],
  ['a number of 16,000 digits', fill('{"type":"start","plannedMs":', '9', '}'), BAD],
  ['a number beyond all', '{"type":"start","plannedMs":1e999}', BAD],
  ['a number that is exact in no double', '{"type":"start","plannedMs":9007199254740993}', BAD],
  ['a number below nothing', '{"type":"start","plannedMs":-1}', BAD],
  ['one name in thousands', fill('{"type":"start"', ',"plannedMs":1', '}'), NOT_LET_IN],
  [
    'types that contradict each other, the last a start',
    '{"type":"stop","type":"start"}',
    NOT_LET_IN,
  ],
  ['types that contradict each other, the last none', '{"type":"start","type":"none"}', BAD],
  [
    'thousands of names',
    `{"type":"start",${Array.from({ length: 1_500 }, (_, i) => `"k${i}":0`).join()}}`,
    NOT_LET_IN,
  ],
  ['too much metadata', fill('{"type":"start","metadata":{"a":"', 'x', '"}}'), BAD],
  ['the type __proto__', '{"type":"__proto__"}', BAD],
  ['the type constructor', '{"type":"constructor"}', BAD],
  ['the type toString', '{"type":"toString"}', BAD],
  ['a prototype with a type', '{"__proto__":{"type":"start"}}', BAD],
  ['a prototype to be written to', '{"type":"start","__proto__":{"polluted":1}}', NOT_LET_IN],
  [
    'a constructor to be written to',
    '{"type":"start","constructor":{"prototype":{"polluted":1}}}',
    NOT_LET_IN,
  ],
  ['metadata named __proto__', '{"type":"start","metadata":{"__proto__":"polluted"}}', NOT_LET_IN],
  [
    'metadata named constructor',
    '{"type":"start","metadata":{"constructor":"x","toString":"y"}}',
    NOT_LET_IN,
  ],
  ['a session named constructor', '{"type":"start","session":"constructor"}', NOT_LET_IN],
  ['a session named __proto__', '{"type":"start","session":"__proto__"}', BAD],
  ['backslashes', fill('{"type":"', '\\\\', '"}'), BAD],
  ['escapes of six letters', fill('{"type":"', '\\u0041', '"}'), BAD],
  ['halves of surrogates', fill('{"type":"', '\\ud800', '"}'), BAD],
  ['blanks', fill('', ' ', '{"type":"start"}'), NOT_LET_IN],
];
