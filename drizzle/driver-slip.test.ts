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

const head = (guard: string) => `
  import { connect as connectTcp, createServer } from 'node:net';
  import { connect } from ${file('./client.ts')};
  import { isDriverSlip } from ${file('./driver-slip.ts')};
  import { onUncaught } from ${file('../core/runtime/uncaught.ts')};
  const log = { warn: () => console.log('warned'), fatal: () => console.log('fatal') };
  ${guard}
  const wait = () => new Promise((resolve) => setTimeout(resolve, 300));`;

/** Writes to a connection that was lost. A reserved one does so every time, others now and then. */
const writesLate = (url: string, guard: string) => `${head(guard)}
  const { sql } = connect(${JSON.stringify(url)});
  const held = await sql.reserve();
  const [{ pid }] = await held\`select pg_backend_pid() as pid\`;
  await sql\`select pg_terminate_backend(\${pid})\`;
  await wait();
  held\`select 1\`.catch(() => {});
  await wait();
  console.log((await sql\`select 7 as it\`)[0].it);
  process.exit(0);`;

/** Loses its first connection in the moment when the driver asks for types. */
const losesTypes = (url: string, guard: string) => `${head(guard)}
  const address = new URL(${JSON.stringify(url)});
  let isCut = false;
  const line = createServer((client) => {
    const server = connectTcp(Number(address.port), address.hostname);
    for (const end of [client, server]) end.on('error', () => {});
    client.on('data', (data) => {
      if (isCut || !data.includes('typarray')) return server.write(data);
      isCut = true;
      server.destroy();
      client.resetAndDestroy();
    });
    server.on('data', (data) => client.write(data));
  });
  await new Promise((resolve) => line.listen(0, '127.0.0.1', resolve));
  const far = new URL(address);
  far.host = '127.0.0.1:' + line.address().port;
  const { sql } = connect(far.href, { connections: 2 });
  await sql\`select 1\`.catch(() => console.log('rejected'));
  await wait();
  console.log((await sql\`select array[7] as it\`)[0].it[0]);
  process.exit(0);`;

async function run(guard: string, script = writesLate): Promise<string> {
  const code = script(database.url, guard);
  const args = ['--import', 'tsx', '--input-type=module', '-e', code];
  const ran = promisify(execFile)(process.execPath, args, { timeout: 30_000 });
  return ran.then(({ stdout }) => stdout.trim().replaceAll('\n', ' ')).catch(() => 'ended');
}

it('a write to a connection that was just lost does not end the process', async () => {
  expect(await run('onUncaught({ log, isHarmless: isDriverSlip });')).toBe('warned 7');
});

it('would end it without the guard', async () => {
  expect(await run('')).toBe('ended');
});

it('a connection that is lost while the driver asks for types does not end the process', async () => {
  const guard = 'onUncaught({ log, isHarmless: isDriverSlip });';
  expect((await run(guard, losesTypes)).split(' ').sort()).toEqual(['7', 'rejected', 'warned']);
  expect(await run('', losesTypes)).toBe('ended');
});

it('anything else that nobody caught still does', async () => {
  const other = 'onUncaught({ log, isHarmless: isDriverSlip }); setImmediate(() => null.x);';
  expect(await run(other)).toBe('ended');
});
