/** HTTP beside the sockets, and an orderly end, the same on every transport. */
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  closeOf,
  LARGE_PATH,
  MAX_BODY_BYTES,
  MAX_LARGE_BYTES,
  openBare,
  openClient,
  soon,
  startTestTransport,
  type TestTransport,
  transportsHere,
} from './test-transport.ts';

const LONG_BYTES = 20_000_000;
const transports = await transportsHere();

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/** By Node's own client, which shows headers as they came and lets a body be sent in pieces. */
function ask(
  url: string,
  init: { method?: string; headers?: Record<string, string>; pieces?: string[] } = {},
): Promise<Answer> {
  const { pieces = [], ...rest } = init;
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { agent: false, ...rest }, (response) => {
      let text = '';
      response.on('data', (piece) => {
        text += piece;
      });
      response.on('end', () => {
        resolve({ status: response.statusCode!, headers: response.headers, text });
      });
      response.on('error', reject);
    });
    request.on('error', reject);
    for (const piece of pieces) request.write(piece);
    request.end();
  });
}

setFlagsFromString('--expose_gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe.each(transports)('HTTP on the transport %s', (name) => {
  let transport: TestTransport;
  const aborted: string[] = [];
  let waiters = 0;
  beforeAll(async () => {
    transport = await startTestTransport(name);
    const { app } = transport;
    app.get('/echo/*', (c) =>
      c.json({ path: c.req.path, query: c.req.query(), header: c.req.header('x-word') ?? null }),
    );
    app.all('/body', async (c) => c.text(await c.req.text(), 201, { 'x-method': c.req.method }));
    app.post(LARGE_PATH, async (c) => c.text(await c.req.text(), 201));
    app.get('/empty', () => new Response(null, { status: 204 }));
    app.get('/unchanged', () => new Response(null, { status: 304, headers: { etag: '"1"' } }));
    app.get('/cookies', () => {
      const headers = new Headers();
      headers.append('set-cookie', 'a=1');
      headers.append('set-cookie', 'b=2');
      return new Response('', { headers });
    });
    app.get('/long', () => new Response(new Uint8Array(LONG_BYTES).fill(97)));
    app.get('/pieces', () => {
      const words = ['one ', 'two ', 'three'];
      const body = new ReadableStream({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 30));
          const word = words.shift();
          if (word === undefined) controller.close();
          else controller.enqueue(new TextEncoder().encode(word));
        },
      });
      return new Response(body);
    });
    app.get('/broken', () => {
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode('begun ')),
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 30));
          controller.error(new Error('the store is gone'));
        },
      });
      return new Response(body);
    });
    app.get('/waits', async (c) => {
      waiters += 1;
      await new Promise<void>((resolve) => {
        c.req.raw.signal.addEventListener('abort', () => resolve());
      });
      aborted.push(c.req.path);
      return c.text('nobody is there');
    });
  });
  afterAll(() => transport?.stop());

  it('hands on path, query and headers, and says the length of what it answers', async () => {
    const url = `${transport.url}/echo/a%20b?x=1&y=%C3%A4`;
    const { status, headers, text } = await ask(url, { headers: { 'X-Word': 'hello' } });
    expect(status).toBe(200);
    expect(headers['content-type']).toContain('application/json');
    expect(headers['content-length']).toBe(String(Buffer.byteLength(text)));
    expect(JSON.parse(text)).toEqual({
      ...{ path: '/echo/a b', query: { x: '1', y: 'ä' }, header: 'hello' },
    });
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE'])('hands on the body of %s', async (method) => {
    const headers = { 'content-length': '9' };
    const answer = await ask(`${transport.url}/body`, {
      method,
      headers,
      pieces: ['four', ' more'],
    });
    expect([answer.status, answer.text]).toEqual([201, 'four more']);
    expect(answer.headers['x-method']).toBe(method);
  });

  it('hands on a body of unknown length, one of none, and one that fills the limit', async () => {
    const url = `${transport.url}/body`;
    const chunked = await ask(url, { method: 'POST', pieces: ['a', 'b', 'c'] });
    expect(chunked.text).toBe('abc');
    const none = await ask(url, { method: 'POST' });
    expect([none.status, none.text]).toEqual([201, '']);
    const full = 'x'.repeat(MAX_BODY_BYTES);
    const filled = await fetch(url, { method: 'POST', body: full });
    expect((await filled.text()).length).toBe(MAX_BODY_BYTES);
  });

  it('answers HEAD, 204 and 304 without a body, and empty ones with none', async () => {
    const head = await ask(`${transport.url}/echo/a`, { method: 'HEAD' });
    expect([head.status, head.text]).toEqual([200, '']);
    const empty = await ask(`${transport.url}/empty`);
    expect([empty.status, empty.text, empty.headers['content-length']]).toEqual([
      204,
      '',
      undefined,
    ]);
    const unchanged = await ask(`${transport.url}/unchanged`);
    expect([unchanged.status, unchanged.headers.etag]).toEqual([304, '"1"']);
    const cookies = await ask(`${transport.url}/cookies`);
    expect(cookies.headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect((await ask(`${transport.url}/nowhere`)).status).toBe(404);
  });

  it('refuses a body that is too long, whether its length was told or not', async () => {
    const url = `${transport.url}/body`;
    const pieces = Array.from({ length: 20 }, () => 'x'.repeat(10_000));
    const told = { 'content-length': '200000' };
    expect((await ask(url, { method: 'POST', headers: told, pieces })).status).toBe(413);
    expect((await ask(url, { method: 'POST', pieces })).status).toBe(413);
  });

  it('hands on a longer one where that path takes it', async () => {
    const url = `${transport.url}${LARGE_PATH}`;
    const body = 'x'.repeat(MAX_LARGE_BYTES);
    const answer = await fetch(url, { method: 'POST', body });
    expect([answer.status, (await answer.text()).length]).toEqual([201, MAX_LARGE_BYTES]);
    expect((await fetch(url, { method: 'POST', body: `${body}x` })).status).toBe(413);
  });

  it('does not go on reading a body without an end', async () => {
    const head = 'POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
    const bare = await openBare(transport.port, head);
    const piece = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    let isEnded = false;
    bare.ended.then(() => {
      isEnded = true;
    });
    const sending = setInterval(() => bare.tcp.write(piece), 1);
    await soon(() => isEnded, Boolean);
    clearInterval(sending);
    bare.tcp.destroy();
  });

  it('cuts off who asks for hundreds before the first answer, and serves others', async () => {
    const many = 'GET /echo/a HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(300);
    const bare = await openBare(transport.port, many);
    await bare.ended;
    expect(bare.received().split('HTTP/1.1 200').length).toBeLessThan(20);
    bare.tcp.destroy();
    expect((await ask(`${transport.url}/echo/b`)).status).toBe(200);
  });

  it('answers one after the other on one connection, as many as are asked', async () => {
    const bare = await openBare(transport.port, '');
    for (let count = 1; count <= 30; count++) {
      bare.tcp.write('GET /echo/a HTTP/1.1\r\nHost: a\r\n\r\n');
      await soon(
        () => bare.received().split('HTTP/1.1 200').length - 1,
        (answers) => answers === count,
      );
    }
    bare.tcp.destroy();
  });

  it('gives a long body in full to a reader that takes its time', async () => {
    const bare = await openBare(transport.port, 'GET /long HTTP/1.1\r\nHost: a\r\n\r\n');
    bare.tcp.pause();
    await new Promise((resolve) => setTimeout(resolve, 300));
    // Others are served in the meantime.
    expect((await ask(`${transport.url}/echo/b`)).status).toBe(200);
    bare.tcp.resume();
    const all = await soon(bare.received, (text) => text.length > LONG_BYTES);
    const at = all.indexOf('\r\n\r\n') + 4;
    expect(all.slice(0, at)).toMatch(/content-length: 20000000/i);
    await soon(bare.received, (text) => text.length === at + LONG_BYTES);
    bare.tcp.destroy();
  });

  it('gives a streamed body as it comes, and shows where one broke', async () => {
    expect((await ask(`${transport.url}/pieces`)).text).toBe('one two three');
    await expect(ask(`${transport.url}/broken`)).rejects.toThrow();
  });

  it('tells a handler that its caller is gone, while it waits and while it answers', async () => {
    const waiting = await openBare(transport.port, 'GET /waits HTTP/1.1\r\nHost: a\r\n\r\n');
    const reading = await openBare(transport.port, 'GET /long HTTP/1.1\r\nHost: a\r\n\r\n');
    reading.tcp.pause();
    const sending = await openBare(
      transport.port,
      'POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nxx',
    );
    // Gone before a handler heard of it, it would leave nothing to tell.
    await soon(
      () => waiters,
      (count) => count === 1,
    );
    // Nothing but its request knows of that handler.
    collectGarbage();
    for (const { tcp } of [waiting, reading, sending]) tcp.destroy();
    await soon(
      () => aborted.length,
      (count) => count === 1,
    );
    expect((await ask(`${transport.url}/echo/c`)).status).toBe(200);
  });

  it.each([
    ['no HTTP', 'GET /echo/a SPDY/3\r\nHost: a\r\n\r\n'],
    ['a host that would begin a path', 'GET /echo/a HTTP/1.1\r\nHost: a/b\r\n\r\n'],
    ['no host', 'GET /echo/a HTTP/1.1\r\n\r\n'],
    ['headers of 40 KB', `GET /echo/a HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`],
    [
      'two lengths',
      'POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    ],
    [
      'a length and chunks',
      'POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
  ])('answers %s with an error, or not at all', async (_, text) => {
    const bare = await openBare(transport.port, text);
    await Promise.race([bare.ended, soon(bare.received, (received) => received.includes('\r\n'))]);
    expect(bare.received()).toMatch(/^(HTTP\/1\.1 [45]\d\d |$)/);
    bare.tcp.destroy();
  });

  it('cuts off who never finishes a request', async () => {
    const head = await openBare(transport.port, 'GET /echo/a HTTP/1.1\r\nX-Slow: ');
    const silent = await openBare(transport.port, '');
    const trickle = setInterval(() => head.tcp.write('x'), 500);
    await Promise.all([head.ended, silent.ended]);
    clearInterval(trickle);
    for (const { tcp } of [head, silent]) tcp.destroy();
  });
});

describe.each(transports)('the end of the transport %s', (name) => {
  it('answers open requests, lets closed sockets hear why, and gives the port back', async () => {
    const transport = await startTestTransport(name);
    let release: () => void = () => {};
    transport.app.get('/slow', async (c) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return c.text('done');
    });
    const { client, server } = await transport.join();
    const closed = closeOf(client);
    const slow = ask(`${transport.url}/slow`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    server.socket.send(['draining']);
    server.socket.close(1012, 'draining');
    const stopped = transport.stop();
    await expect(openClient(transport.port)).rejects.toThrow('ECONNREFUSED');
    release();
    expect(await slow).toMatchObject({ status: 200, text: 'done' });
    expect(await closed).toEqual({ code: 1012, reason: 'draining' });
    await stopped;
    await expect(fetch(transport.url)).rejects.toThrow();
  });

  it('comes in a bounded time though sockets and requests stay', async () => {
    const transport = await startTestTransport(name);
    transport.app.get('/never', () => new Promise<Response>(() => {}));
    const { client, server } = await transport.join();
    const never = ask(`${transport.url}/never`).catch((error: Error) => error.message);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await transport.stop();
    expect(await closeOf(client).then(({ code }) => code)).toBe(1006);
    expect(await server.closed).toBe(1006);
    expect(await never).toMatch(/hang up|ECONNRESET/);
  });

  it('can be had by nobody else before it', async () => {
    const transport = await startTestTransport(name);
    const again = startTestTransport(name, () => null, transport.port);
    await expect(again).rejects.toThrow(new RegExp(`:${transport.port}\\b`));
    await transport.stop();
    const next = await startTestTransport(name, () => null, transport.port);
    await next.stop();
  });
});
