/** Messages that are wrong as messages: fields, types, bombs, and names that objects have by birth. */
import type { Dice } from '../../../core/meter/schedule.ts';

const NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf'];
const NUMBERS = ['1e999', '-1', '0.1', '9007199254740993', '-0', '1e-400', `${'9'.repeat(400)}`];
const MAX_BOMB_BYTES = 16_000;

type Spoil = (dice: Dice, message: Record<string, unknown>) => string;

const fieldOf = (dice: Dice, message: object) => dice.pick([...Object.keys(message), 'extra']);

const SPOILS: readonly Spoil[] = [
  (dice, message) =>
    JSON.stringify({ ...message, type: dice.pick([...NAMES, '', 'TICK', 'start ']) }),
  (dice, message) => {
    const { [fieldOf(dice, message)]: _, ...rest } = message;
    return JSON.stringify(rest);
  },
  (dice, message) =>
    JSON.stringify({
      ...message,
      [fieldOf(dice, message)]: dice.pick<unknown>([
        null,
        true,
        [],
        {},
        '',
        'x',
        -1,
        0.5,
        [[[[[1]]]]],
      ]),
    }),
  // What no JavaScript object can say, but a text can.
  (dice, message) => {
    const body = JSON.stringify(message).slice(0, -1);
    return `${body},"${fieldOf(dice, message)}":${dice.pick(NUMBERS)}}`;
  },
  (dice, message) => {
    const body = JSON.stringify(message).slice(0, -1);
    const inner = JSON.stringify({ [dice.pick(NAMES)]: { polluted: true } });
    return `${body},"${dice.pick(NAMES)}": ${inner}}`;
  },
  (dice, message) => {
    const body = JSON.stringify(message).slice(1, -1);
    const times = 1 + dice.below(20);
    return `{${Array.from({ length: times }, () => body).join(',')}}`;
  },
  (dice) => {
    const open = dice.pick(['[', '{"a":', '[[],', '{"metadata":']);
    return open.repeat(1 + dice.below(Math.floor(MAX_BOMB_BYTES / open.length)));
  },
  (dice) => {
    const depth = 1 + dice.below(3_000);
    return `{"type":"beat","seq":0,"x":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  },
  (dice) => `{"type":"beat","seq":0,"x":[${'0,'.repeat(dice.below(7_000))}0]}`,
  (dice) => {
    const names = Array.from({ length: 1 + dice.below(400) }, (_, i) => `"k${i}":"v"`);
    return `{"type":"start","metadata": {${names.join(',')}}}`;
  },
  (dice, message) => `${JSON.stringify(message)}${dice.pick(['}', ' ', '\n', '\0', 'x', ',{}'])}`,
  (dice, message) => JSON.stringify(message).slice(0, dice.below(40)),
  (dice) => dice.pick(['', ' ', 'null', '0', '"start"', '[]', 'true', '\ufeff{}', '{}']),
  (dice, message) => JSON.stringify({ ...message, padding: 'x'.repeat(dice.below(20_000)) }),
];

export function spoilMessage(dice: Dice, message: object): string {
  return dice.pick(SPOILS)(dice, message as Record<string, unknown>);
}
