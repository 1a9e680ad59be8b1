/** The short form of `npm run chaos`: one round of all kinds of faults against real processes. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { type ChaosFlags, parseFlags } from './flags.ts';
import { page } from './report/html.ts';
import { summary } from './report/summary.ts';
import { runChaos } from './run-chaos.ts';

const FLAGS = ['--rounds', '1', '--seconds', '16', '--sessions', '14', '--organizations', '4'];
const FASTER = ['--gateways', '2', '--faults', '60', '--seed', '4'];
const PATIENCE_MS = 240_000;

it('a round of faults loses nothing, doubles nothing, and bills nothing past a limit', {
  timeout: PATIENCE_MS,
}, async () => {
  const said: string[] = [];
  const report = await runChaos({
    flags: parseFlags([...FLAGS, ...FASTER]) as ChaosFlags,
    folder: join(inject('runFolder'), `chaos-${randomBytes(4).toString('hex')}`),
    env: process.env,
    signal: new AbortController().signal,
    say: (line) => said.push(line),
  });
  // How late a busy machine lets a recorder hear is measured, not asserted.
  const findings = report.rounds.flatMap((round) =>
    round.findings.filter(({ kind }) => kind !== 'stopwatch'),
  );
  expect(findings, said.join('\n')).toEqual([]);
  expect(report.incidents).toEqual([]);
  const { totals } = report;
  expect(totals).toMatchObject({ lostMs: 0, doubledMs: 0, overLimitMs: 0 });
  expect(totals.worstSettledMs, 'everything is settled in time').not.toBeNull();
  expect(totals.faults).toBeGreaterThanOrEqual(4);
  expect(totals.acknowledgedMs).toBeGreaterThan(30_000);
  expect(summary(report)).toContain('processes killed');
  const html = page(report);
  expect(html.includes('<svg') && html.includes('</html>')).toBe(true);
  expect(/<script|src=|href=|https?:\/\//.exec(html)).toBeNull();
});
