/**
 * What a projection reckons with, each by its name. Bytes were measured (docs/scale.md says how and
 * when); CPU comes from a run of the bench; the rest is the reader's to set. null: not known.
 */
export interface Parameters {
  /** CPU of a core, in µs */
  gatewayUsPerBeat: number | null;
  redisUsPerBeat: number | null;
  gatewayUsPerJoin: number | null;
  redisUsPerJoin: number | null;
  postgresUsPerJoin: number | null;
  workerUsPerMinute: number | null;
  redisUsPerMinute: number | null;
  postgresUsPerMinute: number | null;

  gatewayBytesPerSession: number | null;
  /** what the system keeps for its socket: buffers, descriptor */
  kernelBytesPerSession: number | null;
  redisBytesPerSession: number | null;
  /** a member's; organizations have theirs in `redisBytesPerOrganization` */
  redisBytesPerBudget: number | null;
  redisBytesPerOrganization: number | null;
  /** a finished minute that is not settled yet */
  redisBytesPerUnsettledMinute: number | null;
  /** with its indexes, and its share of the sums beside it */
  postgresBytesPerMinute: number | null;
  postgresBytesPerSession: number | null;
  postgresWalBytesPerMinute: number | null;

  /** text and frame header */
  tickBytes: number | null;
  beatBytes: number | null;
  /** headers of IPv4 and TCP; TLS adds about 29 a message */
  packetBytes: number | null;
  toRedisBytesPerBeat: number | null;
  fromRedisBytesPerBeat: number | null;
  /** of a gateway process with no session: stores, log, files */
  descriptorsPerProcess: number | null;

  /** how long a session lasts: by it they join */
  sessionMinutes: number | null;
  sessionsPerOrganization: number | null;
  /** sessions are as many as said for so long; what is kept grows with it */
  busyHoursPerMonth: number | null;
  monthsKept: number | null;
  /** so long Postgres may be away and Redis hold what is not settled */
  backlogMinutes: number | null;
  /** of a core that is used at this load: what is left is for peaks, and for a process that died */
  usedShareOfCore: number | null;
  /** in any currency, a month */
  pricePerCore: number | null;
  pricePerMemoryGb: number | null;
  pricePerDiskGb: number | null;
  /** of what leaves for recorders */
  pricePerTrafficGb: number | null;
}

export type ParameterName = keyof Parameters;

const BYTES = {
  redisBytesPerSession: 950,
  redisBytesPerBudget: 1_360,
  redisBytesPerOrganization: 900,
  redisBytesPerUnsettledMinute: 240,
  postgresBytesPerMinute: 380,
  postgresBytesPerSession: 1_170,
  postgresWalBytesPerMinute: 890,
  tickBytes: 502,
  beatBytes: 29,
  packetBytes: 52,
  toRedisBytesPerBeat: 111,
  fromRedisBytesPerBeat: 452,
  descriptorsPerProcess: 40,
} as const;

const READERS = {
  sessionMinutes: 30,
  sessionsPerOrganization: 20,
  busyHoursPerMonth: 200,
  monthsKept: 12,
  backlogMinutes: 60,
  usedShareOfCore: 0.6,
  pricePerCore: null,
  pricePerMemoryGb: null,
  pricePerDiskGb: null,
  pricePerTrafficGb: null,
} as const;

/** All but what a run of the bench has to say. */
export const DEFAULTS: Parameters = {
  gatewayUsPerBeat: null,
  redisUsPerBeat: null,
  gatewayUsPerJoin: null,
  redisUsPerJoin: null,
  postgresUsPerJoin: null,
  workerUsPerMinute: null,
  redisUsPerMinute: null,
  postgresUsPerMinute: null,
  gatewayBytesPerSession: null,
  kernelBytesPerSession: null,
  ...BYTES,
  ...READERS,
};

/** `name=number,name=number`. @throws Error naming what is none of them */
export function parametersOf(text: string): Partial<Parameters> {
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const [name = '', value = ''] = pair.split('=').map((it) => it.trim());
      if (!(name in DEFAULTS)) {
        throw new Error(`--with knows no "${name}". It takes ${Object.keys(DEFAULTS).join(', ')}.`);
      }
      if (value === '' || !(Number(value) >= 0)) {
        throw new Error(`--with ${name} must be a number, 0 or more, and is "${value}".`);
      }
      return [name, Number(value)];
    }),
  );
}
