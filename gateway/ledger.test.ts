/** What a gateway knows of Postgres when it does not answer, on a real one behind a line that stalls. */
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { periodAt } from '../core/calendar/period.ts';
import { createLog } from '../core/runtime/log.ts';
import { connect, type DatabaseConnection } from '../drizzle/client.ts';
import { makeTestAccount, type TestAccount } from '../local/test-account.ts';
import { createTestDatabase, type TestDatabase } from '../local/test-database.ts';
import { createLedger, type Ledger } from './ledger.ts';

const JULY = Date.UTC(2026, 6, 10);
let database: TestDatabase;
let direct: DatabaseConnection;
let stalling: DatabaseConnection;
let line: Server;
let ends: Socket[];
let isStalled = false;
let account: TestAccount;
let ledger: Ledger;

beforeAll(async () => {
  database = await createTestDatabase();
  direct = connect(database.url);
  const { hostname, port } = new URL(database.url);
  ends = [];
  line = createServer((client) => {
    const server = connectTcp(Number(port), hostname);
    ends.push(client, server);
    for (const end of [client, server]) end.on('error', () => {});
    client.on('data', (data) => isStalled || server.write(data));
    server.on('data', (data) => client.write(data));
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => line.listen(0, '127.0.0.1', resolve));
  const address = new URL(database.gatewayUrl);
  address.host = `127.0.0.1:${(line.address() as { port: number }).port}`;
  stalling = connect(address.href, { connections: 2 });
});
afterAll(async () => {
  for (const end of ends) end.destroy();
  line.close();
  await Promise.all([stalling.stop(), direct.stop()]);
  await database.drop();
});
beforeEach(async () => {
  isStalled = false;
  account = await makeTestAccount(direct.db, { plan: { concurrentSessions: 7 } });
  ledger = createLedger(stalling, 'gateway-1', createLog({ name: 'test', level: 'silent' }));
});

describe('limits', () => {
  it('are those of Postgres while it answers', async () => {
    expect(await ledger.limits(account.org, 'ann')).toMatchObject({ concurrentSessions: 7 });
    expect(await ledger.limits('nobody', 'ann')).toBeNull();
  });

  it('are the last known ones while it is stalled, after a few seconds', async () => {
    await ledger.limits(account.org, 'ann');
    isStalled = true;
    expect(await ledger.limits(account.org, 'ann')).toMatchObject({ concurrentSessions: 7 });
  });

  it('that were never asked for are an error then, not a wait without end', async () => {
    isStalled = true;
    await expect(ledger.limits(account.org, 'ann')).rejects.toThrow(/Postgres/);
  });
});

describe('a period', () => {
  it('is remembered while it lasts', async () => {
    const home = { anchorDay: 1, timeZone: 'UTC' };
    const period = await ledger.period(account.org, JULY);
    expect(period).toEqual(periodAt(JULY, home));
    isStalled = true;
    expect(await ledger.period(account.org, period!.endsAt - 1)).toEqual(period);
    await expect(ledger.period(account.org, period!.endsAt)).rejects.toThrow(/Postgres/);
  });
});
