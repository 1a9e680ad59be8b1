/**
 * Loads the Lua scripts: a file a script, with the fragments of scripts/include that its
 * `-- include:` line names put before it, and runs one by its digest.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

const FOLDER = new URL('./scripts/', import.meta.url);
const FILES = {
  open: 'open-1',
  beats: 'beats-n',
  close: 'close-1',
  deadline: 'deadline-1',
  seed: 'seed-1',
  cut: 'cut-1',
  stop: 'stop-1',
  pending: 'pending-1',
  settled: 'settled-1',
  flush: 'flush-1',
  reset: 'reset-1',
  adopt: 'adopt-1',
  assert: 'assert-1',
  read: 'read-1',
  clock: 'clock-1',
  count: 'count-1',
  leave: 'leave-1',
  extend: 'extend-1',
} as const;

export type ScriptName = keyof typeof FILES;
interface Script {
  lua: string;
  sha: string;
}

function read(file: string): string {
  return readFileSync(new URL(`${file}.lua`, FOLDER), 'utf8');
}

/** The script's whole text. Throws if a fragment it includes is not there. */
export function scriptText(name: ScriptName): string {
  const own = read(FILES[name]);
  const includes = /^-- include: (.*)$/m.exec(own)?.[1]?.split(' ') ?? [];
  return [...includes.map((fragment) => read(`include/${fragment}`)), own].join('\n');
}

const loaded = new Map<ScriptName, Script>();

function script(name: ScriptName): Script {
  let found = loaded.get(name);
  if (!found) {
    const lua = scriptText(name);
    found = { lua, sha: createHash('sha1').update(lua).digest('hex') };
    loaded.set(name, found);
  }
  return found;
}

/** Answers bytes where others answer text. */
const IN_BYTES: ReadonlySet<ScriptName> = new Set(['beats']);

/** Runs a script; sends its text where the server does not know it yet (a restart forgets all). */
export async function runScript(
  redis: Redis,
  name: ScriptName,
  keys: string[],
  args: (string | number | Buffer)[],
): Promise<unknown> {
  const { lua, sha } = script(name);
  const inBytes = IN_BYTES.has(name);
  try {
    if (inBytes) return await redis.callBuffer('EVALSHA', sha, keys.length, ...keys, ...args);
    return await redis.evalsha(sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!isUnknownScript(error)) throw error;
    if (inBytes) return await redis.callBuffer('EVAL', lua, keys.length, ...keys, ...args);
    return await redis.eval(lua, keys.length, ...keys, ...args);
  }
}

/** The same script for several keys, in one writing. Answers what each call answered, or its error. */
export async function runScripts(
  redis: Redis,
  name: ScriptName,
  calls: { key: string; args: (string | number | Buffer)[] }[],
): Promise<unknown[]> {
  const { sha } = script(name);
  const pipeline = redis.pipeline();
  for (const { key, args } of calls) {
    if (IN_BYTES.has(name)) pipeline.callBuffer('EVALSHA', sha, 1, key, ...args);
    else pipeline.evalsha(sha, 1, key, ...args);
  }
  const answers = await pipeline.exec().catch((error: Error) => calls.map(() => [error, null]));
  return Promise.all(
    calls.map(({ key, args }, i) => {
      const [error, answer] = answers![i]!;
      if (!isUnknownScript(error)) return error ?? answer;
      return runScript(redis, name, [key], args).catch((again: Error) => again);
    }),
  );
}

const isUnknownScript = (error: unknown) =>
  error instanceof Error && error.message.startsWith('NOSCRIPT');

/** What a server of a cluster says when a key is elsewhere, or it cannot serve it now. */
const NOT_HERE = /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN|LOADING|MASTERDOWN|READONLY) |non local key/;

/** It was asked and said no: the script broke, or Redis has no memory or disk for it. */
export function isOfScript(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError' && !NOT_HERE.test(error.message);
}

/** The script broke on what it was given. */
export function hasBroken(error: unknown): error is Error {
  return isOfScript(error) && error.message.startsWith('ERR');
}
