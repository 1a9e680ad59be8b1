import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hashApiKey } from '../../core/runtime/api-key.ts';
import { FlagError } from '../../core/runtime/command.ts';
import { connect, type DatabaseConnection } from '../../drizzle/client.ts';
import { findApiKey } from '../../drizzle/queries/api-keys.ts';
import { createTestDatabase, type TestDatabase } from '../../local/test-database.ts';
import { parseFlags } from './flags.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const run = promisify(execFile);

let database: TestDatabase;
let gateway: DatabaseConnection;
beforeAll(async () => {
  database = await createTestDatabase();
  gateway = connect(database.gatewayUrl);
});
afterAll(async () => {
  await gateway?.stop();
  await database?.drop();
});

const keys = (...args: string[]) => {
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, DATABASE_ADMIN_URL: database.adminUrl };
  return run(process.execPath, ['--import', 'tsx', MAIN, ...args], { env });
};
const find = (secret: string, at = Date.now()) =>
  findApiKey(gateway.tenants.all, hashApiKey(secret), at);

it('makes the first key where there is none, says its secret once, and revokes it', async () => {
  const { stdout } = await keys('create', '--name', 'First', '--org', 'acme', '--org', 'other');
  const secret = stdout.trim();
  expect(secret).toMatch(/^tmk_[\w-]{43}$/);
  const found = await find(secret);
  expect(found).toMatchObject({ orgs: ['acme', 'other'], scopes: null });
  const listed = await keys('list');
  expect(listed.stdout).toMatch(/First {2}\(orgs acme,other; scopes all; expires never/);
  expect(listed.stdout).not.toContain(secret);
  const revoked = JSON.parse((await keys('revoke', found!.id, '--json')).stdout);
  expect(revoked.revokedAt).toBeTruthy();
  expect(await find(secret)).toBeNull();
  const log = await gateway.tenants.all.execute('select actor, action from audit_log order by id');
  expect(log).toMatchObject([{ action: 'key.make' }, { action: 'key.revoke' }]);
  expect(log[0]!.actor).toMatch(/^operator/);
});

it('gives scopes and an end, and JSON to a program', async () => {
  const { stdout } = await keys(
    ...['create', '--name', 'CI', '--scope', 'read', '--scope', 'sessions', '--expires', '1'],
    '--json',
  );
  const { secret, ...key } = JSON.parse(stdout);
  expect(key).toMatchObject({ name: 'CI', orgs: null, scopes: ['read', 'sessions'] });
  expect(await find(secret, Date.now() + 23 * 3_600_000)).not.toBeNull();
  expect(await find(secret, Date.now() + 25 * 3_600_000)).toBeNull();
});

it('says what is wrong with what it was told', async () => {
  expect(parseFlags(['--help'])).toBe('help');
  expect(() => parseFlags([])).toThrow(FlagError);
  expect(() => parseFlags(['create'])).toThrow(/--name/);
  expect(() => parseFlags(['create', '--name', 'x', '--scope', 'all'])).toThrow(/"all"/);
  expect(() => parseFlags(['create', '--name', 'x', '--org', 'a b'])).toThrow(/"a b"/);
  expect(() => parseFlags(['create', '--name', 'x', '--expires', 'soon'])).toThrow(/"soon"/);
  expect(() => parseFlags(['revoke'])).toThrow(/the id of a key/);
  await expect(keys('revoke', 'nobody')).rejects.toMatchObject({
    ...{ code: 2, stderr: expect.stringMatching(/no API key "nobody"/) },
  });
});
