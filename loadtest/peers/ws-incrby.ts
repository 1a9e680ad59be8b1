/** `ws` and one `INCRBY` a beat: the counter that everybody writes first. */
import { createServer, type IncomingMessage } from 'node:http';
import { Redis } from 'ioredis';
import { WebSocketServer } from 'ws';
import { listen, parseBeat, readSettings, tickFrom } from './peer.ts';

const settings = readSettings();
const tick = tickFrom(settings.tick);
const redis = new Redis(settings.redisUrl);
const server = createServer();
const webSockets = new WebSocketServer({
  ...{ server, perMessageDeflate: false, clientTracking: false },
});
webSockets.on('connection', (webSocket, request: IncomingMessage) => {
  const key = `used:${new URL(request.url ?? '/', 'ws://peer').searchParams.get('org')}`;
  let countedMs = 0;
  webSocket.on('error', () => webSocket.terminate());
  webSocket.on('message', async (data) => {
    const beat = parseBeat(data.toString());
    if (beat === null) return webSocket.close(1008, 'not a beat');
    const grownMs = Math.max(0, beat.capturedMs - countedMs);
    countedMs += grownMs;
    const usedMs = await redis.incrby(key, grownMs);
    webSocket.send(JSON.stringify(tick(beat.seq, usedMs)));
  });
});
await listen(server);
