import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kindOf, resolveColumns } from './columns.ts';
import { parseFlags } from './flags.ts';

let files = 0;
function mapFile(text: string): string {
  files += 1;
  const path = join(tmpdir(), `taximeter-map-${process.pid}-${files}.json`);
  writeFileSync(path, text);
  return path;
}

describe('columns', () => {
  it('with the usual names are found, however they are written', () => {
    const named = ['userId', 'Organization ID', 'SESSION_ID', 'minuteTimestamp', 'Seconds Used'];
    expect(resolveColumns('usage', 'x.csv', named)).toEqual({
      ...{ user: 0, org: 1, session: 2, at: 3, seconds: 4 },
    });
    expect(kindOf('Extra Minutes Purchases')).toBe('lots');
    expect(kindOf('something')).toBeUndefined();
  });

  it('with others are named by a map, which comes first', () => {
    const found = resolveColumns('usage', 'x.csv', ['user_id', 'who', 'at'], { user: 'who' });
    expect(found).toEqual({ user: 1, at: 2 });
  });

  it('that are missing are said with those that were found', () => {
    const columns = ['who', 'when'];
    expect(() => resolveColumns('usage', 'x.csv', columns)).toThrow(
      /x\.csv has no column for "at" \(minute_timestamp.*The columns of x\.csv are: who, when\..*--map/,
    );
    expect(() => resolveColumns('usage', 'x.csv', columns, { at: 'wen' })).toThrow(
      '--map: no column "wen" for at. The columns of x.csv are: who, when.',
    );
    expect(() => resolveColumns('usage', 'x.csv', columns, { when: 'when' })).toThrow(
      /usage has no field "when"; its fields are: org, user/,
    );
  });
});

describe('the flags', () => {
  it('are read, with a map of one kind or of several', () => {
    const map = mapFile('{"usage": {"user": "who"}, "lots": {"id": "nr"}}');
    const args = ['--from', 'x', '--table', 'lots=y.csv', '--table', 'minutes', '--map', map];
    const flags = parseFlags([...args, '--zone', 'Europe/Berlin', '--until', '2026-05-01 02:00']);
    expect(flags).toMatchObject({
      maps: { usage: { user: 'who' }, lots: { id: 'nr' } },
      until: Date.UTC(2026, 4, 1),
      rejects: 'backfill-rejects',
      isDryRun: false,
    });
    expect(flags).toHaveProperty(
      'tables',
      new Map([
        ['lots', 'y.csv'],
        ['usage', 'minutes'],
      ]),
    );
    const short = parseFlags(['--from', 'x', '--dry-run', '--map', mapFile('{"user": "who"}')]);
    expect(short).toMatchObject({ maps: { usage: { user: 'who' } }, rejects: null });
  });

  it('that are wrong are said with what was given', () => {
    const wrong: [string[], RegExp][] = [
      [[], /--from is missing/],
      [['--from', 'x', '--zone', 'Mars'], /"Mars" is no time zone/],
      [['--from', 'x', '--until', 'soon'], /--until: "soon" is no time/],
      [['--from', 'x', '--table', 'lot=y'], /"lot" is none of organizations/],
      [['--from', 'x', '--org', 'a b'], /--org must be an id .*"a b"/],
      [['--from', 'x', '--map', '/nowhere'], /no file \/nowhere/],
      [['--from', 'x', '--map', mapFile('{')], /is no JSON/],
      [['--from', 'x', '--map', mapFile('{"usage": 1}')], /must be like/],
      [['--fram', 'x'], /--fram.*See --help/],
    ];
    for (const [args, says] of wrong) expect(() => parseFlags(args)).toThrow(says);
    expect(parseFlags(['--help'])).toBe('help');
  });
});
