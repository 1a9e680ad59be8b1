/** A gateway as it runs: stores, metering, sockets, HTTP, and an orderly end. */
import { randomUUID } from 'node:crypto';
import { QueueName, type RecoverPayload, type SettlePayload } from '../core/jobs/queues.ts';
import { meterKeys } from '../core/meter/keys.ts';
import { createMeter } from '../core/meter/meter.ts';
import { CloseCode } from '../core/protocol/close-codes.ts';
import { createReceiptKeys } from '../core/receipt/keys.ts';
import { systemClock } from '../core/runtime/clock.ts';
import type { Log } from '../core/runtime/log.ts';
import { openQueue } from '../core/runtime/queue.ts';
import { connectMeter, connectSubscriber } from '../core/runtime/redis.ts';
import { checkRedisSettings } from '../core/runtime/redis-settings.ts';
import type { StopList } from '../core/runtime/stop.ts';
import { createTextCipher } from '../core/runtime/text-cipher.ts';
import { connect } from '../drizzle/client.ts';
import { checkDatabase } from '../drizzle/database-settings.ts';
import { readClock } from '../drizzle/queries/clock.ts';
import { saveOutage } from '../drizzle/queries/save-outage.ts';
import { saveShadow } from '../drizzle/queries/save-shadow.ts';
import { createSeal } from './checkpoint.ts';
import type { GatewayConfig } from './config.ts';
import { type Connection, createConnection } from './connection.ts';
import { listen } from './fanout.ts';
import { createGatekeeper } from './gate.ts';
import { createHttp, maxBodyBytes } from './http/app.ts';
import { refuseDevelopmentKey } from './http/development-key.ts';
import { introduceMember } from './http/members.ts';
import { createOperations, type OperationsDeps } from './http/operations.ts';
import { createCredentials } from './identity/credentials.ts';
import { createTokens } from './identity/tokens.ts';
import { createLedger } from './ledger.ts';
import { startAlive } from './limits/alive.ts';
import { createRate } from './limits/rate.ts';
import { createSeats } from './limits/seats.ts';
import { startSocketCounts } from './limits/socket-counts.ts';
import { createMetering } from './metering.ts';
import { createMetrics } from './metrics.ts';
import { createMinutes } from './minutes.ts';
import { startOperations } from './operations-port.ts';
import { createOutageBook } from './outage-book.ts';
import { openPayments } from './payments.ts';
import { startPostgresWatch } from './postgres-watch.ts';
import { createSessionMetadata } from './session-metadata.ts';
import { createShadowBook } from './shadow/book.ts';
import { openSpool } from './spool/open.ts';
import { createTickets, ticketKeysOf } from './tickets.ts';
import { startTransport } from './transport/start.ts';
import type { SharedPort, TransportOptions } from './transport/transport.ts';
import { startWatch } from './watch.ts';

export const CONNECT_PATH = '/v1/connect';
const DRAIN_RETRY_MS = 200;

const bytes = (text: string) => new TextEncoder().encode(text);

export interface RunningGateway {
  port: number;
  /** null: it shares its port, and whoever started it asks for `operations` */
  operationsPort: number | null;
  operations: OperationsDeps;
}

/**
 * Starts a gateway; what it started is added to `stops`, in order. `shared`: where it is one of several
 * processes on its port (gateway/processes/).
 */
export async function startGateway(
  config: GatewayConfig,
  log: Log,
  stops: StopList,
  { shared = null }: { shared?: SharedPort | null } = {},
): Promise<RunningGateway> {
  const clock = systemClock;
  const database = connect(config.databaseUrl, { name: config.name });
  stops.add('Postgres', database);
  const { development } = config;
  for (const warning of await checkDatabase(database, 'gateway', { development }))
    log.warn(warning);
  if (!development) await refuseDevelopmentKey(database.tenants);
  const meterClock = await readClock(database.db);

  const redis = connectMeter(config.redisUrl, { log, name: `${config.name}-meter` });
  stops.add('Redis', redis);
  const subscriber = connectSubscriber(config.redisUrl, { log, name: `${config.name}-events` });
  stops.add('events', subscriber);
  await redis.ready();
  for (const warning of await checkRedisSettings(redis, { development })) log.warn(warning);
  const settling = openQueue<SettlePayload>({ url: config.redisUrl, name: QueueName.settle, log });
  stops.add('settle queue', settling);
  const recovering = openQueue<RecoverPayload>({
    ...{ url: config.redisUrl, name: QueueName.recover, log },
  });
  stops.add('recover queue', recovering);

  const meter = createMeter(redis);
  const minutes = createMinutes({ log, add: (payload) => settling.queue.add('minutes', payload) });
  stops.add('minutes', minutes);
  const tokens = createTokens({
    ...{ providers: config.identityProviders, log },
    now: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs(),
  });
  // Not waited for: a provider that is away must not keep a gateway from starting.
  void tokens.warm();
  const tickets = createCredentials({
    ...{ tokens, log },
    tickets: createTickets({
      keys: ticketKeysOf(config.ticketSecrets),
      now: () => clock.wallMs(),
      redis: { set: (key, ...rest) => redis.redisOf(key).set(key, ...rest) },
    }),
    introduce: (org, user) => introduceMember(database.tenants.of(org), org, user),
  });
  const cipher = createTextCipher(config.metadataKeys);
  const metadata = createSessionMetadata({ tenants: database.tenants, log, cipher });
  stops.add('metadata', metadata);
  const [firstSecret, ...olderSecrets] = config.checkpointSecrets;
  const book = createOutageBook({
    ...{ gateway: config.name, log },
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs(),
    save: (record) => saveOutage(database.db, record),
  });
  stops.add('outages', book);
  const postgres = startPostgresWatch({
    ...{ log, book },
    ask: async () => void (await database.sql`select 1`),
  });
  stops.add('the watch on Postgres', postgres);
  const ledger = createLedger(database, config.name, log);
  const shadow = createShadowBook({
    limits: (org, user) => ledger.limits(org, user),
    liveSessions: (org) => meter.liveSessions(org),
    save: (decision) => saveShadow(database.tenants.of(decision.org), decision),
    log,
  });
  stops.add('shadow decisions', shadow);
  const keys = [bytes(firstSecret), ...olderSecrets.map(bytes)] as const;
  const metering = createMetering({
    ...{ meter, tickets, minutes, clock, log, meterClock, book, ledger },
    seal: createSeal(keys),
    intervalMs: config.intervalMs,
    timeoutMs: config.timeoutMs,
    resumeWindowMs: config.resumeWindowMs,
    links: config.links,
    metadata,
    wakeRecovery(shard) {
      recovering.queue.add('recover', { shard }).catch((error) => {
        log.debug({ err: error, shard }, 'the workers could not be woken by a job');
      });
    },
  });
  const spool =
    config.spoolFolder === null
      ? null
      : openSpool({
          ...{ folder: config.spoolFolder, keys, metering, meter, ledger, log },
          monotonicMs: () => clock.monotonicMs(),
        });
  if (spool) stops.add('spool', spool);
  stops.add('metering', metering);
  redis.onRunId(() => metering.reconnected());
  await listen(subscriber.redis, meterKeys(), (event) => metering.heard(event));

  const limiting = { redisOf: redis.redisOf, keys: meterKeys() };
  const alive = await startAlive({ me: `${config.name}-${randomUUID()}`, ...limiting });
  stops.add('signs of life', alive);
  const counts = startSocketCounts({ alive, ...limiting });
  stops.add('socket counts', counts);
  redis.onRunId(() => counts.writeAgain());
  const seats = createSeats(counts, config);
  const monotonicMs = () => clock.monotonicMs();
  const keeper = createGatekeeper({ ...config, monotonicMs });
  const connections = new Set<Connection>();
  let isServing = false;
  let address = { port: config.port };
  const http = createHttp({
    ...{ db: database.tenants, meter, tickets, metadata, cipher, log },
    now: () => clock.wallMs(),
    meterNow: () => metering.time.now(),
    development: config.development,
    receiptKeys: config.receiptKeys && createReceiptKeys(config.receiptKeys),
    ...(config.development && {
      demo: {
        ...{ org: config.demoOrganization, user: 'demo' },
        ...{ speed: meterClock.speed, intervalMs: config.intervalMs },
      },
    }),
    publicWsUrl: () => config.publicWsUrl ?? `ws://localhost:${address.port}${CONNECT_PATH}`,
    allowedOrigins: config.allowedOrigins,
    serving: () => isServing,
    actions: (binding) => metering.telling.actions(binding),
    recoveryNeeded: (org) => metering.recovery.needed(org),
    // Loopback is all there is in development, and it is exempt.
    ...(!config.development && {
      rate: createRate({ ...config.apiRate, ...limiting, monotonicMs }),
    }),
    ready: minutes.ready,
    admitted: shadow.admitted,
    shadowed: shadow.decided,
    payments: openPayments(config, log),
    turnedAway: (request) => keeper.reason(request.headers.get('origin'), ''),
    version: '0.1.0',
  });
  const serving: TransportOptions = {
    ...{ host: config.host, port: config.port, shared },
    ...{ path: CONNECT_PATH, gate: keeper.gate },
    fetch: (request, address) => http.fetch(request, { address }),
    maxBodyBytes,
    opened(socket, upgrade) {
      const { remoteAddress } = socket;
      const isCounted = !keeper.isExempt(remoteAddress);
      keeper.entered(remoteAddress);
      const connection = createConnection(socket, upgrade, {
        admission: metering.admission,
        hearing: metering.hearing,
        ending: metering.ending,
        bind(admitted, wire) {
          metering.bind(admitted, wire);
          shadow.admitted(admitted);
        },
        monotonicMs,
        seats: isCounted ? seats : null,
        failed: (error) => log.error({ err: error }, 'a session could not be bound'),
        closed(gone) {
          keeper.left(remoteAddress);
          if (isCounted) seats.leaveAddress(remoteAddress);
          connections.delete(gone);
        },
      });
      connections.add(connection);
      // Not waited for: it may say its first word, and is closed if there are too many.
      if (isCounted) {
        void seats.takeAddress(remoteAddress).then((crowded) => {
          if (crowded === null) return;
          keeper.full(remoteAddress);
          connection.turnAway(crowded);
        });
      }
      return connection;
    },
  };
  const watch = startWatch({
    ...{ monotonicMs },
    silenceMs: config.intervalMs + config.timeoutMs,
    sessions: () => metering.hub.live(),
    connections: () => connections,
    meterFailed: (session) => metering.ending.meterFailed(session),
    sayAgain: (session) => metering.words.say(session),
  });
  stops.add('watch', watch);

  const operations: OperationsDeps = {
    ...{ log, serving: () => isServing },
    metrics: createMetrics(metering, () => keeper.sockets),
    parts: {
      redis: async () => ({ ok: redis.servers().some((server) => server.runId() !== null) }),
      postgres: async () => ({ ok: (await database.sql`select 1`).length === 1 }),
    },
  };
  let operationsPort: number | null = null;
  if (shared === null) {
    const { fetch } = createOperations(operations);
    const serving = await startOperations(fetch, config.operationsPort, config.host);
    stops.add('operations', serving);
    operationsPort = serving.port;
  }
  await spool?.restore();
  const transport = await startTransport(config.transport, serving);
  const { port } = transport;
  address = { port };
  isServing = true;
  stops.add('sockets', {
    /** Every session's time is told, then its recorder is sent elsewhere: no second is lost. */
    async stop() {
      isServing = false;
      keeper.drain();
      for (const connection of [...connections]) {
        connection.send({ type: 'draining', retryAfterMs: DRAIN_RETRY_MS });
        connection.close(CloseCode.draining, 'draining');
      }
      await transport.stop();
    },
  });
  return { port, operationsPort, operations };
}
