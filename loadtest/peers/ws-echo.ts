/**
 * The floor of the stack: `ws`, and for each message one of a tick's size back. It reads nothing and
 * counts nothing; what it costs, every server on this stack costs.
 */
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { listen, readSettings } from './peer.ts';

const tick = Buffer.from(readSettings().tick);
const server = createServer();
const webSockets = new WebSocketServer({
  ...{ server, perMessageDeflate: false, clientTracking: false },
});
webSockets.on('connection', (webSocket) => {
  webSocket.on('message', () => webSocket.send(tick, { binary: false }));
  webSocket.on('error', () => webSocket.terminate());
});
await listen(server);
