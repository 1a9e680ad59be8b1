/** `npm run verify`: whether a receipt is what was signed, and adds up. Asks nothing of the product. */
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { verifyReceipt } from '../../core/receipt/verify.ts';
import { FlagError, runCommand } from '../../core/runtime/command.ts';
import { HELP, parseFlags, type VerifyFlags } from './flags.ts';
import { verdictText } from './words.ts';

/** For an address of keys to answer. */
const KEYS_PATIENCE_MS = 10_000;

function bytesOf(file: string): Promise<Uint8Array> {
  if (file === '-') return buffer(process.stdin);
  return readFile(file).catch((error) => {
    throw new FlagError(`${file} can not be read (${(error as Error).message}).`);
  });
}

async function keysOf(place: string): Promise<unknown> {
  try {
    if (!/^https?:\/\//.test(place)) return JSON.parse(await readFile(place, 'utf8'));
    const response = await fetch(place, { signal: AbortSignal.timeout(KEYS_PATIENCE_MS) });
    if (response.ok) return await response.json();
    throw new Error(`the answer was ${response.status}`);
  } catch (error) {
    throw new FlagError(`No keys could be read from ${place} (${(error as Error).message}).`);
  }
}

async function run({ file, keys, isJson }: VerifyFlags): Promise<number> {
  const bytes = await bytesOf(file);
  const verdict = verifyReceipt(bytes, keys === null ? null : await keysOf(keys));
  const { holds, findings, receipt } = verdict;
  const session = receipt && { session: receipt.session, org: receipt.org };
  if (isJson) console.log(JSON.stringify({ holds, ...session, findings }, null, 1));
  else console.log(verdictText(verdict));
  return holds ? 0 : 1;
}

process.exitCode = await runCommand({ env: process.env, help: HELP, parse: parseFlags, run });
