/** Projections as tables for a terminal, or for a page of the docs. */
import { fromBench, type Reported, type Transport } from './from-bench.ts';
import { DEFAULTS, type Parameters } from './parameters.ts';
import { type Load, type Projection, project } from './project.ts';

const SESSIONS = [1_000, 100_000, 1_000_000];
const INTERVALS_MS = [1_000, 5_000, 30_000];
const TRANSPORTS: readonly Transport[] = ['ws', 'uws'];
export const LOADS: readonly Load[] = SESSIONS.flatMap((sessions) =>
  INTERVALS_MS.map((intervalMs) => ({ sessions, intervalMs })),
);

const COLUMNS: readonly [head: string, cell: (it: Projection) => string][] = [
  ['sessions', (it) => it.sessions.toLocaleString('en-US')],
  ['tick', (it) => `${it.intervalMs / 1_000} s`],
  ['beats/s', (it) => amount(it.beatsPerSecond)],
  ['gateway cores', (it) => amount(it.gatewayCores)],
  ['processes', (it) => amount(it.gatewayProcesses)],
  ['gateway memory', (it) => bytes(it.gatewayMemoryBytes)],
  ['Redis cores', (it) => amount(it.redisCores)],
  ['servers', (it) => amount(it.redisServers)],
  ['Redis memory', (it) => bytes(it.redisMemoryBytes)],
  ['worker cores', (it) => amount(it.workerCores)],
  ['Postgres cores', (it) => amount(it.postgresCores)],
  ['Postgres disk', (it) => bytes(it.postgresBytes)],
  ['down/s', (it) => bytes(it.downBytesPerSecond)],
  ['up/s', (it) => bytes(it.upBytesPerSecond)],
  ['gateway–Redis/s', (it) => bytes(it.redisNetBytesPerSecond)],
  ['descriptors', (it) => amount(it.descriptorsPerProcess)],
  ['cost a month', (it) => amount(it.costPerMonth)],
];

/** Two digits that mean something; no more are known. */
function amount(value: number | null): string {
  if (value === null) return '–';
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(2)));
}

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];

function bytes(value: number | null): string {
  if (value === null) return '–';
  let left = value;
  let unit = 0;
  for (; left >= 1_000 && unit < UNITS.length - 1; unit += 1) left /= 1_000;
  return `${amount(left)} ${UNITS[unit]}`;
}

/** Markdown: a table a transport, what was reckoned with, and what was not known. */
export function printProjection(report: Reported, given: Partial<Parameters>): string {
  return TRANSPORTS.map((transport) => {
    const parameters = { ...DEFAULTS, ...fromBench(report, transport), ...given };
    const projections = LOADS.map((load) => project(load, parameters));
    const missing = new Set(projections.flatMap((it) => it.missing));
    const head = COLUMNS.map(([name]) => name);
    const rows = projections.map((it) => COLUMNS.map(([, cell]) => cell(it)));
    const used = Object.entries(parameters).filter(([, value]) => value !== null);
    return [
      `TRANSPORT=${transport}`,
      '',
      ...markdown([head, ...rows]),
      '',
      `With ${used.map(([name, value]) => `${name}=${Number(value!.toPrecision(4))}`).join(', ')}.`,
      ...(missing.size === 0 ? [] : [`Not known, and so left out: ${[...missing].join(', ')}.`]),
    ].join('\n');
  }).join('\n\n');
}

function markdown([head = [], ...rows]: string[][]): string[] {
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: string[]) =>
    `| ${cells.map((it, i) => it.padStart(widths[i]!)).join(' | ')} |`;
  const rule = `|${widths.map((width) => `${'-'.repeat(width + 1)}:`).join('|')}|`;
  return [line(head), rule, ...rows.map(line)];
}
