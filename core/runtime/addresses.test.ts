import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readAddresses, writeAddresses } from './addresses.ts';

const folder = mkdtempSync(join(tmpdir(), 'addresses-'));
const given = {
  pid: process.pid,
  redisUrl: 'redis://127.0.0.1:1',
  databaseUrl: 'postgres://a:b@127.0.0.1:2/c',
  port: 8787,
};

it('are there for the owner alone, and gone when they are taken away', () => {
  expect(readAddresses(folder)).toBeNull();
  const remove = writeAddresses(folder, given);
  expect(statSync(join(folder, 'addresses.json')).mode & 0o777).toBe(0o600);
  expect(readAddresses(folder)).toEqual(given);
  remove();
  expect(readAddresses(folder)).toBeNull();
});

it('are not believed when their process is gone, or the file is torn', () => {
  // Above what Linux gives out.
  writeAddresses(folder, { ...given, pid: 2 ** 30 });
  expect(readAddresses(folder)).toBeNull();
  writeFileSync(join(folder, 'addresses.json'), '{"pid":');
  expect(readAddresses(folder)).toBeNull();
});
