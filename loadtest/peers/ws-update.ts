/**
 * `ws` and one Postgres `UPDATE` a beat. Its rows are the sessions' own, so that beats of one
 * organization do not wait for each other's lock, and commits do not wait for the disk: both are to
 * its advantage.
 */
import { createServer, type IncomingMessage } from 'node:http';
import postgres from 'postgres';
import { WebSocketServer } from 'ws';
import { listen, parseBeat, readSettings, tickFrom } from './peer.ts';

const CONNECTIONS = 10;

const settings = readSettings();
const tick = tickFrom(settings.tick);
const sql = postgres(settings.databaseUrl, {
  max: CONNECTIONS,
  onnotice: () => {},
  connection: { synchronous_commit: 'off' },
});
// Room in each page, so that an update stays in it and touches no index.
await sql`create table if not exists peer_used (session text primary key, used_ms bigint not null)
  with (fillfactor = 50)`;

const server = createServer();
const webSockets = new WebSocketServer({
  ...{ server, perMessageDeflate: false, clientTracking: false },
});
webSockets.on('connection', async (webSocket, request: IncomingMessage) => {
  const session = new URL(request.url ?? '/', 'ws://peer').searchParams.get('session') ?? '';
  let countedMs = 0;
  webSocket.on('error', () => webSocket.terminate());
  webSocket.on('message', async (data) => {
    const beat = parseBeat(data.toString());
    if (beat === null) return webSocket.close(1008, 'not a beat');
    const grownMs = Math.max(0, beat.capturedMs - countedMs);
    countedMs += grownMs;
    const [row] = await sql<{ usedMs: string }[]>`
      update peer_used set used_ms = used_ms + ${grownMs} where session = ${session}
      returning used_ms as "usedMs"`;
    webSocket.send(JSON.stringify(tick(beat.seq, Number(row?.usedMs))));
  });
  await sql`insert into peer_used values (${session}, 0) on conflict do nothing`;
});
await listen(server);
