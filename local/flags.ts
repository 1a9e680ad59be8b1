import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { localFolder } from './places.ts';

export const DEFAULT_PORT = 8787;
const MAXIMUM_SPEED = 1_000;
const MAXIMUM_GATEWAYS = 16;

export interface UpFlags {
  port: number;
  /** Whether --port was given: then the operations port moves with it. */
  portGiven: boolean;
  dataDir: string;
  /** Meter seconds a real second. */
  speed: number;
  gateways: number;
  /** Real milliseconds between two ticks; the gateway's own default when undefined. */
  intervalMs: number | undefined;
}

export const HELP = `Usage: npm start -- [flags]

Starts Taximeter with a Redis and a Postgres of its own, a gateway, a worker and a demo organization.
Set REDIS_URL or DATABASE_URL to use servers of yours.

  --port N       port of the gateway (${DEFAULT_PORT})
  --data DIR     folder for data and logs (.taximeter in the project)
  --speed N      test clock: N meter seconds pass in each real one (1)
  --gateways N   gateway processes that share the port, up to ${MAXIMUM_GATEWAYS} (1)
  --interval MS  milliseconds between two ticks
  --help         show this`;

/** Thrown for a flag that can't be used; the message is for a person. */
export class FlagError extends Error {
  override name = 'FlagError';
}

function numberOf(flag: string, text: string, minimum: number, maximum: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value;
  throw new FlagError(
    `--${flag} must be a whole number from ${minimum} to ${maximum}, and is "${text}".`,
  );
}

function speedOf(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && value <= MAXIMUM_SPEED) return value;
  throw new FlagError(`--speed must be above 0 and at most ${MAXIMUM_SPEED}, and is "${text}".`);
}

/**
 * Reads the flags of `npm start`, or answers 'help'.
 * @throws FlagError
 */
export function parseFlags(args: readonly string[]): UpFlags | 'help' {
  let values: Record<string, string | boolean | undefined>;
  try {
    const text = { type: 'string' } as const;
    const options = { port: text, data: text, speed: text, gateways: text, interval: text };
    values = parseArgs({
      args: [...args],
      options: { ...options, help: { type: 'boolean', short: 'h' } },
      strict: true,
    }).values;
  } catch (error) {
    throw new FlagError(`${error instanceof Error ? error.message : String(error)} See --help.`);
  }
  if (values.help === true) return 'help';
  const given = (flag: string) => values[flag] as string | undefined;
  const interval = given('interval');
  return {
    port: numberOf('port', given('port') ?? String(DEFAULT_PORT), 1, 65_535),
    portGiven: given('port') !== undefined,
    dataDir: resolve(given('data') ?? localFolder()),
    speed: speedOf(given('speed') ?? '1'),
    gateways: numberOf('gateways', given('gateways') ?? '1', 1, MAXIMUM_GATEWAYS),
    intervalMs: interval === undefined ? undefined : numberOf('interval', interval, 100, 60_000),
  };
}
