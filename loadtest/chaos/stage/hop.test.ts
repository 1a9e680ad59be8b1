import { createServer, type Server, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Hop, startHop } from './hop.ts';

/** Repeats what it hears, and says how it went. */
let server: Server;
let heard: string;
let hop: Hop;

interface Caller {
  socket: Socket;
  answer: string;
  isClosed: boolean;
}

function call(): Caller {
  const socket = new Socket();
  const caller: Caller = { socket, answer: '', isClosed: false };
  socket.on('data', (piece) => {
    caller.answer += piece.toString();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    caller.isClosed = true;
  });
  socket.connect(hop.port, '127.0.0.1');
  return caller;
}

const until = (isSo: () => boolean) => expect.poll(isSo).toBe(true);
/** Long enough for loopback to show what it would do. */
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 60));

beforeEach(async () => {
  heard = '';
  server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (piece) => {
      heard += piece.toString();
      socket.write(piece);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  hop = await startHop('echo', typeof address === 'object' && address ? address.port : 0);
});

afterEach(async () => {
  await hop.stop();
  server.close();
});

describe('a hop', () => {
  it('passes on what it is given, both ways', async () => {
    const caller = call();
    caller.socket.write('hello');
    await until(() => caller.answer === 'hello');
  });

  it('stalls without losing a byte, and goes on', async () => {
    const caller = call();
    caller.socket.write('a');
    await until(() => caller.answer === 'a');
    hop.set('stall');
    caller.socket.write('b');
    await aWhile();
    expect(heard).toBe('a');
    hop.set('pass');
    await until(() => caller.answer === 'ab');
  });

  it('is deaf without telling either side, until it hears again', async () => {
    const caller = call();
    caller.socket.write('a');
    await until(() => caller.answer === 'a');
    hop.set('deaf');
    caller.socket.write('b');
    await aWhile();
    expect([heard, caller.isClosed]).toEqual(['a', false]);
    hop.set('pass');
    await until(() => caller.isClosed);
    const other = call();
    other.socket.write('c');
    await until(() => other.answer === 'c');
  });

  it('swallows answers of requests that arrive', async () => {
    const caller = call();
    caller.socket.write('a');
    await until(() => caller.answer === 'a');
    hop.set('swallow');
    caller.socket.write('b');
    await until(() => heard === 'ab');
    expect(caller.answer).toBe('a');
  });

  it('loses the answer of one request alone, and its connection with it', async () => {
    const caller = call();
    const other = call();
    hop.once(/commit/, (connection) => connection.loseAnswer());
    other.socket.write('begin');
    caller.socket.write('commit');
    await until(() => caller.isClosed && heard.includes('commit'));
    expect(caller.answer).toBe('');
    other.socket.write(' commit');
    await until(() => other.answer === 'begin commit');
  });

  it('refuses, cuts, and leads somewhere else', async () => {
    const caller = call();
    caller.socket.write('a');
    await until(() => caller.answer === 'a');
    hop.cut();
    await until(() => caller.isClosed);
    hop.set('refuse');
    const refused = call();
    await until(() => refused.isClosed);
    hop.set('pass');
    hop.lead(1);
    const lost = call();
    await until(() => lost.isClosed);
    expect(hop.connections).toBe(0);
  });
});
