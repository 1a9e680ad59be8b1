/**
 * Redis and Postgres both gone, the recorders gone, and then the gateway: what it knew is in the
 * spool, and the next gateway of this machine tells it. Nothing lost, nothing twice.
 */
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestProduct, type TestGateway, type TestProduct } from '../local/test-product.ts';
import type { SpoolLine } from './spool/line.ts';
import { type Account, createAccount, until } from './test-account.ts';
import { connectRecorder } from './test-recorder.ts';
import { growsBeyond, readSession, settlesAt, sum } from './test-sessions.ts';

const SPEED = 60;
const MINUTE_MS = 60_000;
let product: TestProduct;
let folder: string;
let admin: postgres.Sql;

beforeAll(async () => {
  product = await startTestProduct({
    ...{ intervalMs: 200, speed: SPEED },
    env: { RESUME_WINDOW_MS: '3200', BEAT_TIMEOUT_MS: '3000', SESSION_SWEEP_MS: '500' },
  });
  const address = new URL(product.adminUrl);
  address.pathname = '/postgres';
  admin = postgres(address.href, { max: 1, onnotice: () => {} });
  folder = await mkdtemp(join(tmpdir(), 'spool-'));
}, 120_000);
afterAll(async () => {
  await product?.stop();
  await admin?.end();
  await rm(folder, { recursive: true, force: true });
});

/** Nobody gets in to this database, and whoever was in is out. */
async function setPostgres(isThere: boolean): Promise<void> {
  const name = new URL(product.databaseUrl).pathname.slice(1);
  await admin.unsafe(`alter database ${name} allow_connections ${isThere}`);
  if (isThere) return;
  await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
}

async function spooled(): Promise<Map<string, SpoolLine>> {
  const lines = new Map<string, SpoolLine>();
  for (const name of await readdir(folder)) {
    const text = await readFile(join(folder, name), 'utf8');
    for (const piece of text.split('\n').slice(0, -1)) {
      const line = JSON.parse(piece.slice(piece.indexOf(' ') + 1)) as SpoolLine;
      lines.set(line.session, line);
    }
  }
  return lines;
}

/** A recorder that goes on for so long into the outage, and is gone. */
async function recorded(gateway: TestGateway, account: Account, user: string) {
  const recorder = await connectRecorder(gateway.connectUrl);
  const { session } = await recorder.start({ ticket: await account.ticket(user) });
  return { recorder, session, toldMs: await growsBeyond(recorder, MINUTE_MS) };
}

async function kill(gateway: TestGateway): Promise<void> {
  const pid = gateway.pid();
  const stopped = gateway.stop();
  process.kill(pid, 'SIGKILL');
  await stopped.catch(() => {});
}

async function sessionsOn(gateway: TestGateway, account: Account, forgiving: Account) {
  return [
    await recorded(gateway, account, 'ann'),
    await recorded(gateway, account, 'bob'),
    await recorded(gateway, forgiving, 'cat'),
  ] as const;
}

it('what gateways knew that were drained or killed while all was down is told by the next', async () => {
  const plan = { minutes: 600, saveWindowSeconds: 1 };
  const account = await createAccount(product, plan);
  const forgiving = await createAccount(product, { ...plan, outageTime: 'forgive' });
  const [drained, killed] = [
    await product.addGateway({ SPOOL_DIR: folder }),
    await product.addGateway({ SPOOL_DIR: folder }),
  ];
  const ofDrained = await sessionsOn(drained, account, forgiving);
  const ofKilled = await sessionsOn(killed, account, forgiving);
  const all = [...ofDrained, ...ofKilled];
  // And one whose gateway lives through it all.
  const through = await recorded(product.gateways[0]!, account, 'dan');
  let [before, known] = [new Map<string, SpoolLine>(), new Map<string, SpoolLine>()];
  await product.restartRedis(async () => {
    await setPostgres(false);
    await sleep(1_500);
    for (const [, { recorder }] of [ofDrained, ofKilled]) recorder.send({ type: 'stop' });
    // Written now and then: until it has two minutes of the outage.
    const stopped = [ofDrained[1], ofKilled[1]];
    const goingOn = all.filter((it) => !stopped.includes(it));
    before = await until(
      spooled,
      (lines) =>
        stopped.every((it) => lines.get(it.session)?.phase === 'ending') &&
        goingOn.every((it) => (lines.get(it.session)?.totalMs ?? 0) > it.toldMs + 2 * MINUTE_MS),
      20_000,
    );
    await sleep(1_000);
    for (const { recorder } of all) recorder.cut();
    await kill(killed);
    await drained.stop();
    known = await spooled();
    await setPostgres(true);
  });
  expect([ofDrained, ofKilled].map((it) => known.get(it[1].session)?.phase)).toEqual([
    'ending',
    'ending',
  ]);
  // One that is drained leaves its very last word.
  const [{ session: last }] = ofDrained;
  expect(known.get(last)!.totalMs).toBeGreaterThan(before.get(last)!.totalMs);
  const copy = await mkdtemp(join(tmpdir(), 'spool-copy-'));
  await cp(folder, copy, { recursive: true });

  const next = await product.addGateway({ SPOOL_DIR: folder });
  const orgOf = (session: string) => known.get(session)!.org;
  const rows = await Promise.all(
    all.map(({ session }) =>
      settlesAt(product, orgOf(session), session, known.get(session)!.totalMs),
    ),
  );
  expect(rows.map(({ overshootMs }) => overshootMs > MINUTE_MS)).toEqual(
    all.map(({ session }) => orgOf(session) === forgiving.org),
  );
  const isEmpty = (names: string[]) => names.length === 0;
  await until(() => readdir(folder), isEmpty, 30_000);
  await next.stop();

  // Once more, as if it had never been removed.
  await cp(copy, folder, { recursive: true });
  await product.addGateway({ SPOOL_DIR: folder });
  await until(() => readdir(folder), isEmpty, 30_000);
  for (const [i, { session }] of all.entries()) {
    const row = await readSession(product, orgOf(session), session);
    expect(row!.overshootMs).toBe(rows[i]!.overshootMs);
    expect(sum(row!.minutes.map(({ ms }) => ms))).toBe(sum(rows[i]!.minutes.map(({ ms }) => ms)));
  }
  await rm(copy, { recursive: true });

  const { summary } = await through.recorder.stop();
  expect(summary.recordedMs).toBeGreaterThan(through.toldMs + 5 * MINUTE_MS);
  await settlesAt(product, account.org, through.session, summary.recordedMs);
  // Its gateway has written down what it was.
  const sql = postgres(product.adminUrl, { max: 1 });
  const written = await until(
    () => sql`select part, both_away from outages where gateway = 'gateway-1' order by part`,
    ({ length }) => length >= 2,
    20_000,
  );
  await sql.end();
  expect(written.map(({ part, both_away }) => [part, both_away])).toEqual([
    ['postgres', true],
    ['redis', true],
  ]);
}, 120_000);
