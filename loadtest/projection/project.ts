/** What so many live sessions take of everything. The formula of docs/scale.md, and nothing else. */
import type { ParameterName, Parameters } from './parameters.ts';

export interface Load {
  sessions: number;
  intervalMs: number;
}

/** null: what it rests on is not known. */
export interface Projection extends Load {
  beatsPerSecond: number;
  joinsPerSecond: number;
  minutesPerSecond: number;
  gatewayCores: number | null;
  redisCores: number | null;
  workerCores: number | null;
  postgresCores: number | null;
  gatewayProcesses: number | null;
  redisServers: number | null;
  gatewayMemoryBytes: number | null;
  redisMemoryBytes: number | null;
  postgresBytes: number | null;
  walBytesPerSecond: number | null;
  /** to recorders, and from them */
  downBytesPerSecond: number | null;
  upBytesPerSecond: number | null;
  redisNetBytesPerSecond: number | null;
  descriptorsPerProcess: number | null;
  costPerMonth: number | null;
  /** left out of the sums, for they are not known */
  missing: ParameterName[];
}

const GB = 1e9;
const US = 1e6;

export function project({ sessions, intervalMs }: Load, parameters: Parameters): Projection {
  const missing = new Set<ParameterName>();
  function known(name: ParameterName): number {
    const value = parameters[name];
    if (value === null) missing.add(name);
    return value ?? 0;
  }
  /** The first part decides whether there is a sum at all; others may be missing from it. */
  function sum(...parts: [count: number, name: ParameterName][]): number | null {
    const total = parts.reduce((all, [count, name]) => all + count * known(name), 0);
    return parameters[parts[0]![1]] === null ? null : total;
  }
  const over = (value: number | null, by: number) => (value === null ? null : value / by);

  const beats = (sessions * 1_000) / intervalMs;
  const joins = sessions / (known('sessionMinutes') * 60);
  // Each session leaves one that is not whole.
  const minutes = sessions / 60 + joins;
  const organizations = sessions / known('sessionsPerOrganization');
  const keptSeconds = known('busyHoursPerMonth') * 3_600 * known('monthsKept');
  const backlog = minutes * known('backlogMinutes') * 60;

  const gatewayCores = over(sum([beats, 'gatewayUsPerBeat'], [joins, 'gatewayUsPerJoin']), US);
  const redisCores = over(
    sum([beats, 'redisUsPerBeat'], [joins, 'redisUsPerJoin'], [minutes, 'redisUsPerMinute']),
    US,
  );
  const workerCores = over(sum([minutes, 'workerUsPerMinute']), US);
  const postgresCores = over(
    sum([minutes, 'postgresUsPerMinute'], [joins, 'postgresUsPerJoin']),
    US,
  );
  /** Of what is one thread: so many that none is used beyond its share. */
  const threads = (cores: number | null) =>
    cores === null ? null : Math.max(1, Math.ceil(cores / known('usedShareOfCore')));
  const gatewayProcesses = threads(gatewayCores);

  const gatewayMemoryBytes = sum(
    [sessions, 'gatewayBytesPerSession'],
    [sessions, 'kernelBytesPerSession'],
  );
  const redisMemoryBytes = sum(
    [sessions, 'redisBytesPerSession'],
    [sessions, 'redisBytesPerBudget'],
    [organizations, 'redisBytesPerOrganization'],
    [backlog, 'redisBytesPerUnsettledMinute'],
  );
  const postgresBytes = sum(
    [minutes * keptSeconds, 'postgresBytesPerMinute'],
    [joins * keptSeconds, 'postgresBytesPerSession'],
  );
  // A tick, and the acknowledgement of its beat; a beat acknowledges its tick.
  const downBytesPerSecond = sum([beats, 'tickBytes'], [2 * beats, 'packetBytes']);

  function cost(): number | null {
    const cores = [gatewayCores, redisCores, workerCores, postgresCores];
    const memory = [gatewayMemoryBytes, redisMemoryBytes];
    const needed = [...cores, ...memory, postgresBytes, downBytesPerSecond];
    const prices = [
      'pricePerCore',
      'pricePerMemoryGb',
      'pricePerDiskGb',
      'pricePerTrafficGb',
    ] as const;
    if (needed.includes(null) || prices.some((name) => parameters[name] === null)) return null;
    const all = (values: (number | null)[]) => values.reduce<number>((s, it) => s + (it ?? 0), 0);
    const trafficGb = (downBytesPerSecond! * known('busyHoursPerMonth') * 3_600) / GB;
    return (
      (all(cores) / known('usedShareOfCore')) * known('pricePerCore') +
      (all(memory) / GB) * known('pricePerMemoryGb') +
      (postgresBytes! / GB) * known('pricePerDiskGb') +
      trafficGb * known('pricePerTrafficGb')
    );
  }

  return {
    ...{ sessions, intervalMs, beatsPerSecond: beats, joinsPerSecond: joins },
    minutesPerSecond: minutes,
    ...{ gatewayCores, redisCores, workerCores, postgresCores },
    ...{ gatewayProcesses, redisServers: threads(redisCores) },
    ...{ gatewayMemoryBytes, redisMemoryBytes, postgresBytes, downBytesPerSecond },
    walBytesPerSecond: sum([minutes, 'postgresWalBytesPerMinute']),
    upBytesPerSecond: sum([beats, 'beatBytes'], [beats, 'packetBytes']),
    redisNetBytesPerSecond: sum([beats, 'toRedisBytesPerBeat'], [beats, 'fromRedisBytesPerBeat']),
    descriptorsPerProcess:
      gatewayProcesses === null
        ? null
        : Math.ceil(sessions / gatewayProcesses) + known('descriptorsPerProcess'),
    costPerMonth: cost(),
    missing: [...missing],
  };
}
