import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canonicalJson } from '../../core/receipt/canonical.ts';
import { createReceiptKeys } from '../../core/receipt/keys.ts';
import { testReceipt } from '../../core/receipt/test-receipt.ts';
import { parseFlags } from './flags.ts';

const keys = createReceiptKeys(['a secret of this test, long enough to be one']);
const receipt = testReceipt({
  minutes: [{ planMs: 50_000, extraMs: 10_000, debtMs: 0 }],
  ...{ overshootMs: 250, givenBackMs: 2_000, reason: 'limitReached' },
});
const text = canonicalJson(keys.sign(receipt));
let folder: string;
const at = (name: string) => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'verify-'));
  writeFileSync(at('receipt.json'), text);
  writeFileSync(at('changed.json'), text.replace('"user":"ann"', '"user":"bob"'));
  writeFileSync(at('keys.json'), JSON.stringify(keys.jwks));
});
afterAll(() => rmSync(folder, { recursive: true }));

const ARGS = ['--import', 'tsx', join(import.meta.dirname, 'main.ts')];
function verify(args: string[], input?: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...ARGS, ...args], {
    ...{ encoding: 'utf8', timeout: 60_000, ...(input !== undefined && { input }) },
  });
  return { status, stdout, stderr };
}

describe('npm run verify', () => {
  it('says that a receipt holds, and explains it', () => {
    const { status, stdout } = verify([at('receipt.json'), '--keys', at('keys.json')]);
    expect(stdout).toContain('Session interview-7 of ann, organization acme');
    expect(stdout).toContain('10.000 s from extra minutes');
    expect(stdout).toContain('lot lot-1 (purchase of 2026-05-01T00:00:00.000Z): 10.000 s');
    expect(stdout).toMatch(/holds {2}The signature holds/);
    expect(stdout).toMatch(/This receipt holds\.\n$/);
    expect(status).toBe(0);
  });

  it('says what does not hold, in words and as JSON, with exit code 1', () => {
    const args = [at('changed.json'), '--keys', at('keys.json')];
    const words = verify(args);
    expect(words.stdout).toMatch(/FAILS {2}The signature does not hold: it is not one of this/);
    expect(words.stdout).toContain('holds  The minutes come to what was charged');
    expect(words.status).toBe(1);
    const json = verify(['--json', ...args]);
    expect(JSON.parse(json.stdout)).toMatchObject({ holds: false, session: 'interview-7' });
    expect(json.status).toBe(1);
  });

  it('holds nothing for true without keys, and reads what is piped in', () => {
    const { status, stdout } = verify(['-'], text);
    expect(stdout).toContain('The signature was not checked');
    expect(status).toBe(1);
  });

  it('takes keys from an address', async () => {
    const server = createServer((_, response) => void response.end(JSON.stringify(keys.jwks)));
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const url = `http://127.0.0.1:${port}/v1/receipt-keys`;
    const child = spawn(process.execPath, [...ARGS, at('receipt.json'), '--keys', url]);
    const status = await new Promise((resolve) => child.once('exit', resolve));
    server.close();
    expect(status).toBe(0);
  });

  it('says what can not be looked at', () => {
    const { status, stderr } = verify([at('receipt.json'), '--keys', at('no-keys.json')]);
    expect(stderr).toMatch(/No keys could be read from .*no-keys\.json/);
    expect(status).toBe(1);
  });
});

describe('the flags', () => {
  it('name one file, the keys and the form of the answer', () => {
    const flags = { file: 'a', keys: 'b', isJson: true };
    expect(parseFlags(['--json', 'a', '--keys', 'b'])).toEqual(flags);
    expect(parseFlags(['-'])).toEqual({ file: '-', keys: null, isJson: false });
    expect(parseFlags(['-h'])).toBe('help');
  });

  it.each([
    [[], /and 0 are given/],
    [['a', 'b'], /and 2 are given/],
    [['--loud', 'a'], /--loud/],
  ])('that are wrong are said: %j', (args, words) => {
    expect(() => parseFlags(args)).toThrow(words);
  });
});
