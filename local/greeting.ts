import type { UpFlags } from './flags.ts';
import type { GatewayPorts } from './installation.ts';

/** What a person reads once everything runs: where things are, and what to do next. */
export function greeting(flags: UpFlags, gateway: GatewayPorts): string {
  const base = `http://localhost:${gateway.port}`;
  const lines = [
    '',
    'Taximeter is running.',
    '',
    `  Recorder page  ${base}/`,
    `  HTTP API       ${base}/docs  (API key: dev-key)`,
    `  Operations     http://localhost:${gateway.operationsPort}/metrics`,
    ...(flags.gateways > 1 ? [`  Gateways       ${flags.gateways} processes on one port`] : []),
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
