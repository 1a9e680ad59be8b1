/** A profile as a person reads it. */
import { table } from '../../report/summary.ts';
import type { Profiled } from './run-profile.ts';
import type { Share } from './self-time.ts';

const PLACES_SHOWN = 30;
const FUNCTIONS_SHOWN = 40;
const SYMBOLS_SHOWN = 25;

/** Shares are of the profiled span, in which the profiler took part; the µs are of an undisturbed one. */
export function printProfile({ selfTime, cpuUs, redis, redisCommands }: Profiled): string {
  const gatewayUs = cpuUs.gateway ?? 0;
  const shares = (all: Share[], shown: number) =>
    all
      .slice(0, shown)
      .map(({ name, us }) => [
        name,
        `${((us * 100) / selfTime.busyUs).toFixed(1)} %`,
        `${((us * gatewayUs) / selfTime.busyUs).toFixed(2)} µs`,
      ]);
  const processes = Object.entries(cpuUs).map(([name, us]) => [name, `${us.toFixed(1)} µs`]);
  const commands = redisCommands
    .filter(({ calls, usPerCall }) => calls * usPerCall > 0)
    .map(({ name, calls, usPerCall }) => [name, String(calls), `${usPerCall.toFixed(1)} µs`]);
  const symbols =
    typeof redis === 'string'
      ? [[redis]]
      : redis
          .slice(0, SYMBOLS_SHOWN)
          .map(({ symbol, library, percent }) => [symbol, library, `${percent.toFixed(1)} %`]);
  return [
    ...table([['CPU a beat', ''], ...processes]),
    '',
    ...table([
      ['gateway, self time by file', 'share', 'a beat'],
      ...shares(selfTime.places, PLACES_SHOWN),
    ]),
    '',
    ...table([
      ['gateway, self time by function', 'share', 'a beat'],
      ...shares(selfTime.functions, FUNCTIONS_SHOWN),
    ]),
    '',
    ...table([['Redis, by command, over 4 s', 'calls', 'a call'], ...commands]),
    '',
    ...table([['Redis, self time', 'in', 'share'], ...symbols]),
  ].join('\n');
}
