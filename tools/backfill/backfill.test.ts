/** Messy sources against a sum that is reckoned apart: once, twice, cut short, side by side, dry. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestLedger, findingsOf, type TestLedger } from '../../worker/ledger/test-look.ts';
import type { BackfillReport } from './run.ts';
import { Cut, digestOf, importedSums, importInto, sorted, writeSource } from './test-run.ts';
import { messySource, randomOf } from './test-source.ts';

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

const SEED = Number(process.env.BACKFILL_SEED ?? 20_260_530);

async function makeOrgs(count: number): Promise<string[]> {
  const orgs: string[] = [];
  for (let i = 0; i < count; i++) {
    const plan = i === 0 ? { quotaMs: 90 * 60_000 } : {};
    orgs.push((await ledger.account({ plan })).org);
  }
  return orgs;
}

const notTaken = ({ skipped }: BackfillReport) =>
  skipped.filter((it) => it.kind !== 'over60').reduce((sum, it) => sum + it.rows, 0);
const rowsOf = (report: BackfillReport, kind: string) =>
  report.skipped.find((it) => it.kind === kind)?.rows ?? 0;

describe('an import of a messy source', () => {
  it('takes what the source comes to, says what it left out, and a second run takes nothing', async () => {
    const orgs = await makeOrgs(3);
    const source = messySource(SEED, { orgs, until: ledger.now });
    const { folder, tables } = writeSource({ usage: source.csv });
    const from = tables.get('usage')!;
    const before = await digestOf(ledger);
    const dry = await importInto(ledger, from, new Map(), { isDryRun: true });
    expect(await digestOf(ledger)).toEqual(before);
    expect(existsSync(join(folder, 'rejects-my-usage.csv'))).toBe(false);

    const report = await importInto(ledger, from, new Map(), {
      ...{ rowsATurn: 150, rejects: join(folder, 'rejects') },
    });
    expect(sorted(await importedSums(ledger, orgs))).toEqual(sorted(source.expected));
    expect(await findingsOf(ledger, orgs)).toEqual([]);
    expect(report.tables[0]!.rows).toBe(source.rows);
    expect(report.usage.taken + report.usage.raised + notTaken(report)).toBe(source.rows);
    for (const [kind, count] of source.bad)
      expect([kind, rowsOf(report, kind)]).toEqual([kind, count]);
    const { written: _, tookMs: __, isDryRun: ___, rejects: ____, ...said } = report;
    expect(dry).toMatchObject(said);
    expect(report.written!.ms).toBe(report.forecast.months.reduce((sum, it) => sum + it.ms, 0));

    const rejected = readFileSync(join(folder, 'rejects-my-usage.csv'), 'utf8').trim().split('\n');
    const bad = [...source.bad].reduce((sum, [kind, it]) => sum + (kind === 'empty' ? 0 : it), 0);
    expect(rejected).toHaveLength(1 + bad + rowsOf(report, 'over60'));
    expect(rejected[0]).toMatch(/,line,reason,says$/);

    const once = await digestOf(ledger, ['audit_log']);
    const again = await importInto(ledger, from, new Map());
    expect(await digestOf(ledger, ['audit_log'])).toEqual(once);
    expect(again.usage).toMatchObject({ taken: 0, raised: 0 });
    expect(again.written!.ms).toBe(0);
  });

  it('cut short anywhere, run again, and by two at a time, comes to the same', async () => {
    for (let round = 0; round < 2; round++) {
      const random = randomOf(SEED + round);
      const orgs = await makeOrgs(2);
      const source = messySource(SEED + 1 + round, { orgs, until: ledger.now, sessions: 20 });
      const { tables } = writeSource({ usage: source.csv });
      const run = (cutAfter?: number) =>
        importInto(ledger, tables.get('usage')!, new Map(), {
          rowsATurn: 40 + Math.floor(random() * 60),
          ...(cutAfter === undefined ? {} : { cutAfter }),
        });
      for (let cuts = 0; cuts < 3; cuts++) {
        await run(Math.floor(random() * 8)).catch((error) => {
          if (!(error instanceof Cut)) throw error;
        });
        // Whatever is there at this point agrees with itself, and with the meter.
        expect(await findingsOf(ledger, orgs)).toEqual([]);
      }
      await Promise.all([run(), run()]);
      await run();
      expect(sorted(await importedSums(ledger, orgs))).toEqual(sorted(source.expected));
      expect(await findingsOf(ledger, orgs)).toEqual([]);
    }
  });
});
