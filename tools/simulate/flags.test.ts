import { expect, it } from 'vitest';
import { FlagError } from '../../core/runtime/command.ts';
import { parseFlags } from './flags.ts';
import { KINDS, shareOut } from './kinds.ts';

it('simulates a hundred thousand schedules of all kinds, unless told otherwise', () => {
  expect(parseFlags([])).toEqual({ seed: 1, schedules: 100_000, kinds: KINDS, isJson: false });
  expect(parseFlags(['--only', 'ledger,meter', '--seed', '7', '--json'])).toMatchObject({
    ...{ seed: 7, isJson: true, kinds: [{ name: 'ledger' }, { name: 'meter' }] },
  });
  expect(parseFlags(['--help'])).toBe('help');
});

it('says which flag cannot be used, and the value that was given', () => {
  expect(() => parseFlags(['--schedules', '0'])).toThrow(/from 1 to 100000000, and is "0"/);
  expect(() => parseFlags(['--seed', 'x'])).toThrow(/and is "x"/);
  expect(() => parseFlags(['--only', 'moon'])).toThrow(/given "moon"/);
  expect(() => parseFlags(['--rounds', '3'])).toThrow(FlagError);
});

it('shares out every schedule, and replays one', () => {
  const shares = shareOut(KINDS, 100_000);
  expect(Object.values(shares).reduce((sum, share) => sum + share, 0)).toBe(100_000);
  expect(Math.min(...Object.values(shares))).toBeGreaterThan(0);
  const [, lockstep] = KINDS;
  expect(shareOut([lockstep!], 1)).toEqual({ lockstep: 1 });
});
