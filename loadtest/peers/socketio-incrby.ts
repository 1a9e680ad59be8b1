/** Socket.IO, on WebSocket from the start, and one `INCRBY` a beat. */
import { createServer } from 'node:http';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { type Beat, listen, readSettings, tickFrom } from './peer.ts';

/** The bench stops servers between their rounds; the default would take every client for dead. */
const PING_TIMEOUT_MS = 3_600_000;

const settings = readSettings();
const tick = tickFrom(settings.tick);
const redis = new Redis(settings.redisUrl);
const server = createServer();
const io = new Server(server, {
  ...{ transports: ['websocket'], pingTimeout: PING_TIMEOUT_MS, serveClient: false },
});
io.on('connection', (socket) => {
  const key = `used:${socket.handshake.query.org}`;
  let countedMs = 0;
  socket.on('beat', async ({ seq, capturedMs }: Beat) => {
    if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(capturedMs)) {
      return socket.disconnect();
    }
    const grownMs = Math.max(0, capturedMs - countedMs);
    countedMs += grownMs;
    const usedMs = await redis.incrby(key, grownMs);
    return socket.emit('tick', tick(seq, usedMs));
  });
});
await listen(server);
