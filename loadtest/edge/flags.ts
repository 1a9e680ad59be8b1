import { parseArgs } from 'node:util';
import { FlagError } from '../../core/runtime/command.ts';

export interface FuzzFlags {
  seed: number;
  frames: number;
  /** number of the one conversation to have; null: all */
  conversation: number | null;
  transport: 'ws' | 'uws';
  /** the HTTP API instead of sockets */
  isHttp: boolean;
  /** of each call of the API */
  requests: number;
  /** calls whose names have this; null: all */
  only: string | null;
  isJson: boolean;
}

export const HELP = `Usage: npm run fuzz -- [flags]

Conversations of recorders, spoiled as messages, as frames and as bytes, on bare sockets against a
gateway of this project, while another recorder is metered on it. Exit code 1 when something does not
hold: a wrong close code, a broken frame or message from the gateway, memory that grows, sessions or
sockets that are left, or a millisecond of the other recorder that is missing or too many.

  --seed N           same seed, same bytes (1)
  --frames N         so many at least (1000000)
  --conversation N   only this one of the seed, as a report names it
  --transport NAME   ws or uws (ws)
  --http             the HTTP API instead: requests of every call, made of the schemas of its own
                     document and of what it answered before, valid, nearly valid and hostile. Exit code
                     1 for an answer of 5xx, one that is not as the document says, or a call that never
                     had a good one
  --requests N       with --http: so many of each call (2000)
  --only TEXT        with --http: only calls whose names have this
  --json             the result as JSON on standard output
  --help             show this`;

function wholeOf(flag: string, text: string | undefined, most: number): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new FlagError(`--${flag} must be a whole number from 0 to ${most}, and is "${text}".`);
}

/** @throws FlagError */
export function parseFlags(args: readonly string[]): FuzzFlags | 'help' {
  const text = { type: 'string' } as const;
  const yes = { type: 'boolean' } as const;
  const options = {
    ...{ seed: text, frames: text, conversation: text, transport: text, json: yes },
    ...{ http: yes, requests: text, only: text },
    help: { type: 'boolean', short: 'h' } as const,
  };
  let values: Record<string, string | boolean | undefined>;
  try {
    values = parseArgs({ args: [...args], options, strict: true }).values;
  } catch (error) {
    throw new FlagError(`${error instanceof Error ? error.message : String(error)} See --help.`);
  }
  if (values.help === true) return 'help';
  const given = (flag: string) => values[flag] as string | undefined;
  const transport = given('transport') ?? 'ws';
  if (transport !== 'ws' && transport !== 'uws') {
    throw new FlagError(`--transport must be ws or uws, and is "${transport}".`);
  }
  return {
    seed: wholeOf('seed', given('seed'), 2 ** 32 - 1) ?? 1,
    frames: Math.max(1, wholeOf('frames', given('frames'), 1e9) ?? 1_000_000),
    conversation: wholeOf('conversation', given('conversation'), 1e9),
    transport,
    isHttp: values.http === true,
    requests: Math.max(1, wholeOf('requests', given('requests'), 1e6) ?? 2_000),
    only: given('only') ?? null,
    isJson: values.json === true,
  };
}
