/** What being bound costs a recorder that joins: nothing on the wire. */
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { organizationBudget } from '../core/meter/budget-name.ts';
import { makeTestAccount } from '../local/test-account.ts';
import { createTestDatabase, type TestDatabase } from '../local/test-database.ts';
import { connect, type Database, type DatabaseConnection } from './client.ts';
import { migrate } from './migrate.ts';
import { ensurePeriod } from './queries/ensure-period.ts';
import { loadLimits } from './queries/load-limits.ts';
import { loadSeeds } from './queries/load-seeds.ts';
import { organizations } from './schema/organizations.ts';

const AT = Date.UTC(2026, 4, 20);
const MAY = Date.UTC(2026, 4, 1);
/** Longer than statements of one write are apart. */
const ONE_WAY_MS = 15;

let database: TestDatabase;
let direct: DatabaseConnection;
let far: DatabaseConnection;
let farUrl = '';
let line: Server;
const ends: Socket[] = [];
let flights = 0;
/** What a client writes with this text in it cuts the line. */
let cutBy = 'nothing does';
let org: string;

/** A line on which every answer takes its time, so that what is sent without one is one flight. */
beforeAll(async () => {
  database = await createTestDatabase();
  direct = connect(database.url);
  ({ org } = await makeTestAccount(direct.db));
  const address = new URL(database.gatewayUrl);
  const [host, port] = [address.hostname, Number(address.port)];
  line = createServer((client) => {
    const server = connectTcp(port, host);
    ends.push(client, server);
    for (const end of [client, server]) end.on('error', () => {});
    let hasAnswered = true;
    client.on('data', (data) => {
      if (hasAnswered) flights += 1;
      hasAnswered = false;
      if (data.includes(cutBy)) client.resetAndDestroy();
      else server.write(data);
    });
    server.on('data', (data) =>
      setTimeout(() => {
        hasAnswered = true;
        client.write(data);
      }, ONE_WAY_MS),
    );
    client.on('close', () => server.destroy());
    server.on('close', () => setTimeout(() => client.destroy(), 2 * ONE_WAY_MS));
  });
  await new Promise<void>((resolve) => line.listen(0, '127.0.0.1', resolve));
  address.host = `127.0.0.1:${(line.address() as { port: number }).port}`;
  farUrl = address.href;
  far = connect(farUrl, { connections: 1 });
});
afterAll(async () => {
  await Promise.all([direct.stop(), far.stop()]);
  for (const end of ends) end.destroy();
  line.close();
  await database.drop();
});

async function flightsOf(ask: () => Promise<unknown>): Promise<number> {
  flights = 0;
  await ask();
  return flights;
}

describe('a bound database', () => {
  it('asks in one flight each what a recorder needs that joins', async () => {
    const db = far.tenants.of(org);
    const joins: ((db: Database) => Promise<unknown>)[] = [
      (db) => loadLimits(db, org, 'ann'),
      (db) => ensurePeriod(db, org, AT),
      (db) => loadSeeds(db, org, [organizationBudget(org, MAY)]),
    ];
    // The first time its connection is made, and the types of each statement are asked for.
    for (const ask of joins) await ask(db);
    for (const ask of joins) expect(await flightsOf(() => ask(far.tenants.of(org)))).toBe(1);
  });

  it('takes no flight more for a transaction than an unbound one', async () => {
    const work = (db: Database) => () =>
      db.transaction(async (tx) => void (await tx.execute(sql`select 1`)));
    await work(far.tenants.of(org))();
    expect(await flightsOf(work(far.tenants.of(org)))).toBe(await flightsOf(work(far.db)));
  });

  it('reads instants to the millisecond, alone and in a transaction', async () => {
    const at = Date.UTC(2026, 4, 20, 10, 11, 12, 345);
    const owner = connect(database.adminUrl, { scope: 'installation' });
    await owner.db.update(organizations).set({ createdAt: at }).where(eq(organizations.id, org));
    await owner.stop();
    const read = (db: Database) => db.select({ at: organizations.createdAt }).from(organizations);
    const bound = far.tenants.of(org);
    expect(await read(bound)).toEqual([{ at }]);
    expect(await bound.transaction(read)).toEqual([{ at }]);
  });

  it('goes on when its connection was cut in the middle', async () => {
    const cut = far.tenants.of(org).execute(sql`select pg_sleep(5)`);
    const refused = expect(cut).rejects.toThrow();
    setTimeout(() => {
      for (const end of ends) end.destroy();
    }, 100);
    await refused;
    expect(await loadLimits(far.tenants.of(org), org, 'ann')).toMatchObject({ org });
    expect(await loadLimits(far.tenants.of('other'), org, 'ann')).toBeNull();
  });

  it('does not wait for ever for what was behind a statement when its connection was cut', async () => {
    for (const text of ['set_config', 'pg_sleep']) {
      const fresh = connect(farUrl, { connections: 1 });
      await fresh.db.execute(sql`select 1`);
      cutBy = text;
      await expect(fresh.tenants.of(org).execute(sql`select pg_sleep(${0})`)).rejects.toThrow();
      cutBy = 'nothing does';
      expect(await loadLimits(fresh.tenants.of(org), org, 'ann')).toMatchObject({ org });
      await fresh.stop();
    }
  });

  it('refuses when it has been stopped, rather than wait for ever', async () => {
    const brief = connect(database.gatewayUrl);
    await brief.stop();
    await expect(brief.tenants.of(org).execute(sql`select 1`)).rejects.toThrow();
  });
});

describe('one login for gateways and workers', () => {
  it('is the worker only where it says so', async () => {
    const login = database.gatewayUrl;
    await migrate(database.adminUrl, { loginRole: new URL(login).username });
    const [gateway, worker] = [connect(login), connect(login, { scope: 'worker' })];
    const organizations = sql`select count(*)::int as seen from organizations`;
    expect(await gateway.db.execute(organizations)).toEqual([{ seen: 0 }]);
    expect(await worker.db.execute(organizations)).toEqual([{ seen: 1 }]);
    await worker.db.execute(sql`update sessions set settled_ms = 0`);
    await Promise.all([gateway.stop(), worker.stop()]);
  });
});
