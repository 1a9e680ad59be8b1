/** What a report of `npm run bench` knows of the parameters; what it does not have stays unknown. */
import { PRODUCT, PRODUCT_UWS } from '../bench/counting/field.ts';
import { median } from '../bench/median.ts';
import type { DotPlot, Table } from '../bench/outcome.ts';
import type { BenchReport } from '../bench/report/bench-report.ts';
import type { Parameters } from './parameters.ts';

export type Transport = 'ws' | 'uws';
export type Reported = Pick<BenchReport, 'ran'>;

const SERVERS: Record<Transport, string> = { ws: PRODUCT, uws: PRODUCT_UWS };
const BEATS = 'CPU a beat in µs, open load';
const MINUTES = 'CPU a settled minute in µs';
const MEMORY = 'Memory a connection';
const SETTLING = 'this product';
const BYTES_PER_KB = 1_024;

export function fromBench(report: Reported, transport: Transport): Partial<Parameters> {
  const outcomes = report.ran.map(({ outcome }) => outcome);
  const tables = outcomes.flatMap((it) => it.tables);
  const server = SERVERS[transport];
  const beat = (column: string) => cell(tables, BEATS, server, column);
  const minute = (column: string) => cell(tables, MINUTES, SETTLING, column);
  const plot = outcomes
    .flatMap((it) => it.plots)
    .find((it): it is DotPlot => it.kind === 'dots' && it.title === MEMORY);
  const kilobytes = plot?.rows.find(({ name }) => name === server)?.values ?? [];
  return {
    gatewayUsPerBeat: beat('itself'),
    redisUsPerBeat: beat('redis'),
    workerUsPerMinute: minute('settler'),
    redisUsPerMinute: minute('redis'),
    postgresUsPerMinute: minute('postgres'),
    gatewayBytesPerSession: kilobytes.length === 0 ? null : median(kilobytes) * BYTES_PER_KB,
  };
}

function cell(tables: Table[], title: string, name: string, column: string): number | null {
  const table = tables.find((it) => it.title === title);
  const text = table?.rows.find((row) => row[0] === name)?.[table.head.indexOf(column)];
  const value = text === undefined ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : null;
}
