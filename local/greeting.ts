import type { UpFlags } from './flags.ts';
import type { GatewayPorts } from './installation.ts';

/** What a person reads once everything runs: where things are, and what to do next. */
export function greeting(flags: UpFlags, gateways: readonly GatewayPorts[]): string {
  const [first, ...others] = gateways;
  const base = `http://localhost:${first!.port}`;
  const lines = [
    '',
    'Taximeter is running.',
    '',
    `  Recorder page  ${base}/`,
    `  HTTP API       ${base}/docs  (API key: dev-key)`,
    `  Operations     http://localhost:${first!.operationsPort}/metrics`,
    ...others.map(({ name, port }) => `  ${name.padEnd(13)}  http://localhost:${port}/`),
    `  Data and logs  ${flags.dataDir}`,
    '',
  ];
  if (flags.speed !== 1) {
    lines.push(
      `  The test clock runs ${flags.speed} times as fast: the demo plan of 60 minutes lasts ` +
        `${Number((3_600 / flags.speed).toFixed(1))} s.`,
      '',
    );
  }
  lines.push(
    'Next: open the recorder page, press Record, and watch the minutes count; or ask how much is used:',
    '',
    `  curl -H 'Authorization: Bearer dev-key' ${base}/v1/orgs/demo/usage`,
    '',
    'Ctrl-C stops everything; the next start goes on with the same data.',
  );
  return lines.join('\n');
}
