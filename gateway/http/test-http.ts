/**
 * The API on a real database and a real meter, both of this test file alone, with clocks that stand
 * still until they are moved. Recorders are played by what a gateway would say to the meter.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { inject } from 'vitest';
import { memberBudget, organizationBudget } from '../../core/meter/budget-name.ts';
import type { MeterClock, OpenReply } from '../../core/meter/commands.ts';
import { meterKeys, SHARDS, shardOf } from '../../core/meter/keys.ts';
import { createMeter, type RedisMeter } from '../../core/meter/meter.ts';
import type { SessionRow } from '../../core/meter/rows.ts';
import { createReceiptKeys } from '../../core/receipt/keys.ts';
import { DEVELOPMENT_KEY, hashApiKey } from '../../core/runtime/api-key.ts';
import { createLog } from '../../core/runtime/log.ts';
import { DEVELOPMENT_SECRET } from '../../core/runtime/secrets.ts';
import { createTextCipher } from '../../core/runtime/text-cipher.ts';
import { connect, type Database } from '../../drizzle/client.ts';
import { loadSeeds } from '../../drizzle/queries/load-seeds.ts';
import { apiKeys } from '../../drizzle/schema/organizations.ts';
import { createTestDatabase } from '../../local/test-database.ts';
import { createSessionMetadata } from '../session-metadata.ts';
import { createTickets } from '../tickets.ts';
import { createHttp } from './app.ts';
import type { HttpDeps } from './deps.ts';

export const START = Date.UTC(2026, 4, 20, 12);
export const MAY = Date.UTC(2026, 4, 1);
export const JUNE = Date.UTC(2026, 5, 1);
const GENERATION = 0;

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: bodies are what the tests look into
  body: any;
}
export interface CallOptions {
  /** Default: the development key. Null: none. */
  as?: string | null;
  headers?: Record<string, string>;
  /** Whence it comes. */
  address?: string;
}

export interface TestHttp {
  db: Database;
  /** Of the same database, for a second gateway. */
  gatewayUrl: string;
  /** Its owner, who may break what nobody else can. */
  adminUrl: string;
  meter: RedisMeter;
  runId: string;
  deps: HttpDeps;
  /** What was logged, a JSON line each. */
  logged: string[];
  /** Organizations for which a recovery was asked. */
  recoveries: string[];
  call(method: string, path: string, body?: unknown, options?: CallOptions): Promise<Answer>;
  /** The same API with other settings, e.g. of production. */
  with(changes: Partial<HttpDeps>): TestHttp['call'];
  makeKey(orgs: string[] | null, more?: Partial<typeof apiKeys.$inferInsert>): Promise<string>;
  ticket(org: string, user: string): Promise<string>;
  /** Both clocks. */
  advance(ms: number): Promise<void>;
  now(): number;
  /** A recorder starts, as a gateway would tell the meter. */
  record(org: string, user: string, session: string): Promise<OpenReply>;
  /** Its recorder answers: it has recorded so much in all. */
  beat(org: string, session: string, totalMs: number): Promise<void>;
  session(org: string, session: string): Promise<SessionRow>;
  /** The meter forgets all that it has of an organization's shard. */
  resetMeter(org: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startTestHttp(changes: Partial<HttpDeps> = {}): Promise<TestHttp> {
  const database = await createTestDatabase();
  const connection = connect(database.url);
  /** As a gateway: a route that forgets to say whose rows it is for finds none. */
  const gateway = connect(database.gatewayUrl);
  const { db } = connection;
  const redis = new Redis(inject('redisUrl'));
  const namespace = `http-${randomUUID()}`;
  const runId = randomBytes(20).toString('hex');
  const meter = createMeter({ redis, runId: () => runId }, { namespace });
  const logged: string[] = [];
  const recoveries: string[] = [];
  let now = START;
  const frozen = (): MeterClock => ({ meterBaseAt: now, realBaseAt: now, speed: 1, frozen: true });
  for (let shard = 0; shard < SHARDS; shard += 1) {
    await meter.reset({ shard, runId, generation: GENERATION, clock: frozen() });
  }

  await db.insert(apiKeys).values({
    ...{ id: DEVELOPMENT_KEY, name: 'Development', keyHash: hashApiKey(DEVELOPMENT_KEY) },
  });

  const log = createLog({
    name: 'test',
    level: 'info',
    destination: { write: (line) => void logged.push(line) },
  });
  const cipher = createTextCipher([]);
  const deps: HttpDeps = {
    db: gateway.tenants,
    meter,
    tickets: createTickets({
      keys: [{ kid: 'test', secret: randomBytes(32) }],
      now: () => now,
      redis,
      meterKeys: meterKeys(namespace),
    }),
    metadata: createSessionMetadata({ tenants: gateway.tenants, log, cipher }),
    cipher,
    log,
    now: () => now,
    meterNow: () => now,
    development: true,
    receiptKeys: createReceiptKeys([DEVELOPMENT_SECRET]),
    publicWsUrl: () => 'ws://127.0.0.1:8787/v1/connect',
    allowedOrigins: ['https://app.example'],
    serving: () => true,
    actions: (binding) => [{ type: binding === 'member' ? 'askAdmin' : 'buyExtraMinutes' }],
    recoveryNeeded: (org) => void recoveries.push(org),
    version: '0.0.0',
    ...changes,
  };

  function callOf(app: ReturnType<typeof createHttp>): TestHttp['call'] {
    return async (method, path, body, options = {}) => {
      const headers = new Headers(options.headers);
      const credentials = options.as === undefined ? DEVELOPMENT_KEY : options.as;
      if (credentials !== null) headers.set('authorization', `Bearer ${credentials}`);
      const isText = typeof body === 'string';
      if (body !== undefined && !headers.has('content-type')) {
        headers.set('content-type', 'application/json');
      }
      const init: RequestInit = { method, headers };
      if (body !== undefined) init.body = isText ? body : JSON.stringify(body);
      const { address } = options;
      const response = await app.request(path, init, address === undefined ? {} : { address });
      const text = await response.text();
      const isJson = /json/.test(response.headers.get('content-type') ?? '');
      return {
        status: response.status,
        headers: response.headers,
        body: isJson ? JSON.parse(text) : text,
      };
    };
  }

  const epochs = new Map<string, SessionRow['epoch']>();
  return {
    db,
    gatewayUrl: database.gatewayUrl,
    adminUrl: database.adminUrl,
    meter,
    runId,
    deps,
    logged,
    recoveries,
    call: callOf(createHttp(deps)),
    with: (more) => callOf(createHttp({ ...deps, ...more })),
    async makeKey(orgs, more = {}) {
      const key = `tmk_${randomBytes(24).toString('base64url')}`;
      const values = { id: randomUUID(), name: 'test', keyHash: hashApiKey(key), orgs };
      await db.insert(apiKeys).values({ ...values, ...more });
      return key;
    },
    ticket: async (org, user) => (await deps.tickets.mint({ org, user })).ticket,
    now: () => now,
    async advance(ms) {
      now += ms;
      await Promise.all(
        Array.from({ length: SHARDS }, (_, shard) => meter.setClock(shard, frozen())),
      );
    },
    async record(org, user, session) {
      const names = [organizationBudget(org, MAY), memberBudget(org, user, MAY)];
      await meter.seed((await loadSeeds(db, org, names))!);
      const reply = await meter.open({
        ...{ session, org, user, period: MAY, kind: 'new' as const },
        ...{
          base: null,
          witness: null,
          authenticates: false,
          memoryMs: null,
          countedGapMs: 20_000,
        },
        ...{ concurrentSessions: null, sessionLimitMs: null, sessionLevels: [], plannedMs: null },
        gatewayWallMs: now,
      });
      if ('session' in reply) epochs.set(session, reply.session.epoch);
      return reply;
    },
    async beat(org, session, totalMs) {
      const epoch = epochs.get(session)!;
      const state = 'recording' as const;
      await meter.beats([{ org, session, epoch, totalMs, ageMs: 0, state }], now);
    },
    async session(org, session) {
      const reply = await meter.readSession(org, session);
      if (reply.status !== 'ok')
        throw new Error(`${session} of shard ${shardOf(org)}: ${reply.status}`);
      return reply.session;
    },
    async resetMeter(org) {
      await meter.reset({ shard: shardOf(org), runId, generation: GENERATION, clock: frozen() });
    },
    async stop() {
      await redis.quit();
      await connection.stop();
      await gateway.stop();
      await database.drop();
    },
  };
}
