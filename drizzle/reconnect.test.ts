/** The pool over a Postgres that was away, through a wire that the test cuts. */
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../local/test-database.ts';
import { eventually } from '../local/test-eventually.ts';
import { connect } from './client.ts';

/** So many losses, and the driver by itself would wait for 10 to 20 s. */
const LOSSES = 10;

let database: TestDatabase;
let wire: Server;
let isCut = false;
let refused = 0;
const sockets = new Set<Socket>();
beforeAll(async () => {
  database = await createTestDatabase();
  const { hostname, port } = new URL(database.url);
  wire = createServer((client) => {
    client.on('error', () => {});
    if (isCut) {
      refused += 1;
      return void client.resetAndDestroy();
    }
    const server = connectTcp(Number(port), hostname).on('error', () => {});
    sockets.add(client);
    client.pipe(server).pipe(client);
    client.once('close', () => server.destroy());
  });
  await new Promise<void>((resolve) => wire.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  wire.close();
  await database.drop();
});

it('is connected again soon after Postgres is back, however many connections were lost', async () => {
  const url = new URL(database.url);
  url.port = String((wire.address() as { port: number }).port);
  const { sql, stop } = connect(url.href);
  const all = () => Promise.allSettled(Array.from({ length: LOSSES }, () => sql`select 1`));
  await all();
  isCut = true;
  for (const socket of sockets) socket.resetAndDestroy();
  const asked: Promise<unknown>[] = [];
  await eventually(() => {
    asked.push(all());
    expect(refused).toBeGreaterThanOrEqual(LOSSES);
  });
  isCut = false;
  let isBack = false;
  void Promise.all(asked).then(() => {
    isBack = true;
  });
  await eventually(() => expect(isBack).toBe(true));
  expect(await sql`select 7 as it`).toMatchObject([{ it: 7 }]);
  await stop();
});
