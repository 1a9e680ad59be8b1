/** The `uws` transport: uWebSockets.js, about half the work of `ws` per message. */

import type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import { setTimeout as pause } from 'node:timers/promises';
import { MAX_FIRST_MESSAGE_BYTES } from '../../core/protocol/limits.ts';
import { SUBPROTOCOL } from '../../core/protocol/messages.ts';
import { type EntryRefusal, type EntryRequest, judgeEntry, refusal } from './entry.ts';
import { loadUws } from './load-uws.ts';
import type { Upgrade } from './socket.ts';
import { STOP_MS, type Transport, type TransportOptions } from './transport.ts';
import { addressText } from './uws-address.ts';
import { createUwsHttp } from './uws-http.ts';
import { type Carried, UwsSocket } from './uws-socket.ts';

/**
 * Beyond this length it cuts a connection without a word. What is too big for us is refused with
 * 1009, so it must be let in to be heard; a sender of more than this has no client's manners anyway.
 */
const CUT_OFF_BYTES = 4 * MAX_FIRST_MESSAGE_BYTES;
/** LIBUS_LISTEN_DEFAULT: SO_REUSEPORT, by which Linux spreads connections over all who listen. */
const SHARED_PORT = 0;
/** LIBUS_LISTEN_EXCLUSIVE_PORT; without it a second process would share the port, unasked. */
const EXCLUSIVE_PORT = 1;
const LOOK_MS = 20;
/** A close frame and the end of a connection cross the network once in this time, as a rule. */
const FAREWELL_MS = 500;

interface Arriving extends Carried {
  upgrade: Upgrade;
}

/** @throws where uWebSockets.js can't be loaded, or the port not be had */
export async function startUws(options: TransportOptions): Promise<Transport> {
  const uws = await loadUws();
  const http = createUwsHttp(options);
  const app = uws.App();
  let sockets = 0;
  let lastClosedAt = Number.NEGATIVE_INFINITY;

  app.ws<Arriving>(options.path, {
    maxPayloadLength: CUT_OFF_BYTES,
    compression: uws.DISABLED,
    // Frames are never dropped, and silence is judged by the gateway: both see the session behind.
    maxBackpressure: 0,
    idleTimeout: 0,
    sendPingsAutomatically: false,
    upgrade(response, request, context) {
      if (!asksForWebSocket(request)) return void request.setYield(true);
      const entry = entryRequest(response, request);
      const verdict = judgeEntry(entry, options);
      if ('status' in verdict) return refuse(response, verdict);
      const arriving = { socket: new UwsSocket(entry.address), upgrade: verdict };
      response.upgrade<Arriving>(arriving, entry.key, SUBPROTOCOL, '', context);
    },
    open(native) {
      const { socket, upgrade } = native.getUserData();
      sockets += 1;
      socket.opened(native);
      socket.handler = options.opened(socket, upgrade);
    },
    message: (native, message, isBinary) => native.getUserData().socket.heard(message, isBinary),
    ping: (native) => native.getUserData().socket.handler?.control(),
    pong: (native) => native.getUserData().socket.handler?.control(),
    drain: (native) => native.getUserData().socket.drained(),
    close(native, code) {
      sockets -= 1;
      lastClosedAt = performance.now();
      native.getUserData().socket.ended(code);
    },
  });
  app.any('/*', (response, request) => {
    if (!asksForWebSocket(request)) return http.answer(response, request);
    // On any other path, or with a key that is none: the route above would have taken the others.
    const verdict = judgeEntry(entryRequest(response, request), options);
    refuse(response, 'status' in verdict ? verdict : refusal(400, 'This asks for no WebSocket.'));
  });

  const listening = await listen(app, options);
  const port = uws.us_socket_local_port(listening as never);
  return {
    port,
    async stop() {
      uws.us_listen_socket_close(listening);
      http.closing();
      const until = performance.now() + STOP_MS;
      while (sockets + http.open > 0 && performance.now() < until) await pause(LOOK_MS);
      // What is closed for us may still be under way to its peer; closing it all cuts that off.
      const farewellMs = lastClosedAt + FAREWELL_MS - performance.now();
      if (farewellMs > 0) await pause(farewellMs);
      app.close();
    },
  };
}

function listen(app: TemplatedApp, options: TransportOptions): Promise<us_listen_socket> {
  const { host, port, shared } = options;
  const sharing = shared === null ? EXCLUSIVE_PORT : SHARED_PORT;
  return new Promise((resolve, reject) => {
    const listened = (listening: us_listen_socket | false) => {
      if (listening) resolve(listening);
      else reject(new Error(`${host}:${port} can't be listened on: is it in use, or not of here?`));
    };
    // Its types lack this form, which all its releases have.
    (app.listen as (...args: unknown[]) => void).call(app, host, port, sharing, listened);
  });
}

function asksForWebSocket(request: HttpRequest): boolean {
  // The other getter of the method writes it in small letters for whoever asks later.
  return (
    request.getCaseSensitiveMethod() === 'GET' &&
    /\bwebsocket\b/i.test(request.getHeader('upgrade'))
  );
}

function entryRequest(response: HttpResponse, request: HttpRequest): EntryRequest {
  return {
    path: request.getUrl(),
    origin: request.getHeader('origin') || null,
    address: addressText(response.getRemoteAddress()),
    protocols: request.getHeader('sec-websocket-protocol'),
    version: request.getHeader('sec-websocket-version'),
    key: request.getHeader('sec-websocket-key'),
  };
}

function refuse(response: HttpResponse, { status, statusText, headers, body }: EntryRefusal): void {
  response.writeStatus(`${status} ${statusText}`);
  for (const [name, value] of headers) response.writeHeader(name, value);
  response.end(body, true);
}
