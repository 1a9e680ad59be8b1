import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../local/test-database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const file = (name: string) => JSON.stringify(fileURLToPath(new URL(name, import.meta.url)));

/** Writes to a connection that was lost. A reserved one does so every time, others now and then. */
const script = (url: string, guard: string) => `
  import { connect } from ${file('./client.ts')};
  import { isLateWrite } from ${file('./late-write.ts')};
  import { onUncaught } from ${file('../core/runtime/uncaught.ts')};
  const log = { warn: () => console.log('warned'), fatal: () => console.log('fatal') };
  ${guard}
  const wait = () => new Promise((resolve) => setTimeout(resolve, 300));
  const { sql } = connect(${JSON.stringify(url)});
  const held = await sql.reserve();
  const [{ pid }] = await held\`select pg_backend_pid() as pid\`;
  await sql\`select pg_terminate_backend(\${pid})\`;
  await wait();
  held\`select 1\`.catch(() => {});
  await wait();
  console.log((await sql\`select 7 as it\`)[0].it);
  process.exit(0);`;

async function run(guard: string): Promise<string> {
  const code = script(database.url, guard);
  const args = ['--import', 'tsx', '--input-type=module', '-e', code];
  const ran = promisify(execFile)(process.execPath, args, { timeout: 30_000 });
  return ran.then(({ stdout }) => stdout.trim().replaceAll('\n', ' ')).catch(() => 'ended');
}

it('a write to a connection that was just lost does not end the process', async () => {
  expect(await run('onUncaught({ log, isHarmless: isLateWrite });')).toBe('warned 7');
});

it('would end it without the guard', async () => {
  expect(await run('')).toBe('ended');
});

it('anything else that nobody caught still does', async () => {
  const other = 'onUncaught({ log, isHarmless: isLateWrite }); setImmediate(() => null.x);';
  expect(await run(other)).toBe('ended');
});
