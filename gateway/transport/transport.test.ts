/** Sockets as a gateway needs them, the same on every transport. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_FIRST_MESSAGE_BYTES } from '../../core/protocol/limits.ts';
import {
  closeOf,
  frame,
  HANDSHAKE,
  openBare,
  openClient,
  PATH,
  soon,
  startTestTransport,
  type TestTransport,
  transportsHere,
} from './test-transport.ts';

describe.each(await transportsHere())('the transport %s', (name) => {
  let transport: TestTransport;
  beforeAll(async () => {
    transport = await startTestTransport(name, (origin) => {
      if (origin === 'https://evil.example') return { status: 403, reason: 'Not this page.' };
      if (origin === 'https://full.example') return { status: 503, reason: 'Full.' };
      return null;
    });
  });
  afterAll(() => transport?.stop());

  describe('an upgrade', () => {
    it('chooses our subprotocol, and hands on ticket, origin and address', async () => {
      const before = transport.met.length;
      const client = await openClient(transport.port, {
        protocols: ['other.v1', 'taximeter.v1', 'ticket.a.b.c'],
        options: { origin: 'https://app.example' },
      });
      const { upgrade, socket } = transport.met[before]!;
      expect(client.protocol).toBe('taximeter.v1');
      expect(upgrade).toEqual({ ticket: 'a.b.c', origin: 'https://app.example' });
      expect(socket.remoteAddress).toMatch(/^(::ffff:)?127\.0\.0\.1$/);
      client.terminate();
    });

    it('needs neither ticket nor origin, and agrees on no compression', async () => {
      const { client, server } = await transport.join({ perMessageDeflate: true });
      expect(server.upgrade).toEqual({ ticket: undefined, origin: null });
      expect(client.extensions).toBe('');
      client.terminate();
    });

    it('may bring headers of 12 KB, as a browser with cookies and a long ticket does', async () => {
      const { client } = await transport.join({ headers: { cookie: `a=${'x'.repeat(12_000)}` } });
      client.terminate();
    });

    it.each([
      ['of an origin that the gate refuses', 403, { options: { origin: 'https://evil.example' } }],
      ['when the gate is full', 503, { options: { origin: 'https://full.example' } }],
      ['of another path', 404, { path: '/v1/other' }],
      ['without our subprotocol', 400, { protocols: ['other.v1'] }],
      ['in another version', 400, { options: { protocolVersion: 8 } }],
    ])('%s is refused with %i', async (_, status, choice) => {
      const before = transport.met.length;
      await expect(openClient(transport.port, choice)).rejects.toThrow(`response: ${status}`);
      expect(transport.met).toHaveLength(before);
    });

    it('is refused in words, with all the headers that belong to it', async () => {
      const request = HANDSHAKE.replace('\r\n\r\n', '\r\nOrigin: https://full.example\r\n\r\n');
      const bare = await openBare(transport.port, request);
      await bare.ended;
      bare.tcp.destroy();
      expect(bare.received()).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
      expect(bare.received()).toMatch(/\r\nRetry-After: 1\r\n/);
      expect(bare.received()).toMatch(/\r\nConnection: close\r\n/);
      expect(bare.received()).toMatch(/\r\n\r\nFull\.\n$/);
    });

    it('with a key that is none is refused with 400', async () => {
      const bare = await openBare(transport.port, HANDSHAKE.replace(/Key: .*/, 'Key: short'));
      await bare.ended;
      bare.tcp.destroy();
      expect(bare.received()).toMatch(/^HTTP\/1\.1 400 /);
    });

    it('without the word for it is a request like others', async () => {
      transport.app.get(PATH, (c) => c.text('Connect here by WebSocket.', 426));
      const answer = await fetch(`${transport.url}${PATH}`);
      expect([answer.status, await answer.text()]).toEqual([426, 'Connect here by WebSocket.']);
    });
  });

  describe('a message', () => {
    it('is heard as text, with its length in bytes', async () => {
      const { client, server } = await transport.join();
      client.send('first, with an ä');
      client.send('second');
      await soon(
        () => server.heard.length,
        (count) => count === 2,
      );
      expect(server.heard).toEqual([
        { text: 'first, with an ä', bytes: 17 },
        { text: 'second', bytes: 6 },
      ]);
      client.terminate();
    });

    it('that is binary is malformed', async () => {
      const { client, server } = await transport.join();
      client.send(Buffer.from([1, 2, 3]));
      expect((await closeOf(client)).code).toBe(4506);
      expect(server.malformed).toHaveLength(1);
      expect(server.heard).toHaveLength(0);
    });

    it('of 16 KB is heard, and one byte more closes with 1009', async () => {
      const { client, server } = await transport.join();
      client.send('x'.repeat(MAX_FIRST_MESSAGE_BYTES));
      await soon(
        () => server.heard.length,
        (count) => count === 1,
      );
      client.send('x'.repeat(MAX_FIRST_MESSAGE_BYTES + 1));
      expect((await closeOf(client)).code).toBe(1009);
      expect(server.heard).toHaveLength(1);
      await server.closed;
    });

    it('in fragments is heard as one', async () => {
      const before = transport.met.length;
      const bare = await openBare(transport.port, HANDSHAKE);
      await soon(
        () => transport.met.length,
        (count) => count > before,
      );
      bare.tcp.write(frame(1, '{"type":', { fin: false }));
      bare.tcp.write(frame(9, 'a ping between them'));
      bare.tcp.write(frame(0, '"start"', { fin: false }));
      bare.tcp.write(frame(0, '}'));
      const server = transport.met[before]!;
      await soon(
        () => server.heard.length,
        (count) => count === 1,
      );
      expect(server.heard[0]!.text).toBe('{"type":"start"}');
      expect(server.controls).toBe(1);
      bare.tcp.destroy();
      expect(await server.closed).toBe(1006);
    });

    it('in fragments that are too big together closes with 1009', async () => {
      const { client, server } = await transport.join();
      client.send('x'.repeat(10_000), { fin: false });
      client.send('x'.repeat(10_000), { fin: true });
      expect((await closeOf(client)).code).toBe(1009);
      expect(server.heard).toHaveLength(0);
    });

    const broken: [title: string, bytes: Buffer][] = [
      ['in an unknown opcode', frame(3, 'x')],
      ['that is no UTF-8', frame(1, Buffer.from([0xff, 0xfe]))],
      ['that goes on with nothing', frame(0, 'x')],
    ];
    // uWebSockets.js takes the mask for granted, and waits for one.
    if (name === 'ws') broken.push(['without a mask', Buffer.from([0x81, 1, 0x78])]);
    it.each(broken)('%s ends the connection, unheard', async (_, bytes) => {
      const before = transport.met.length;
      const bare = await openBare(transport.port, HANDSHAKE);
      await soon(
        () => transport.met.length,
        (count) => count > before,
      );
      bare.tcp.write(bytes);
      await bare.ended;
      bare.tcp.destroy();
      const server = transport.met[before]!;
      expect([1002, 1006, 1007]).toContain(await server.closed);
      expect(server.heard).toHaveLength(0);
    });
  });

  describe('sending', () => {
    it('several messages keeps their order', async () => {
      const before = transport.met.length;
      const bare = await openBare(transport.port, HANDSHAKE);
      const { socket } = await soon(
        () => transport.met[before]!,
        (met) => met !== undefined,
      );
      await soon(bare.received, (text) => text.endsWith('\r\n\r\n'));
      const handshake = bare.received().length;
      socket.send(['tick', 'warning', 'stop']);
      const expected = '\x81\x04tick\x81\x07warning\x81\x04stop';
      await soon(bare.received, (text) => text.length >= handshake + expected.length);
      expect(bare.received().slice(handshake)).toBe(expected);
      bare.tcp.destroy();
    });

    it('to a reader that has stopped grows what is unsent; nothing is lost when it goes on', async () => {
      const { client, server } = await transport.join();
      const heard: string[] = [];
      client.on('message', (data) => heard.push(data.toString()));
      expect(server.socket.unsentBytes()).toBe(0);
      client.pause();
      const rest = 'x'.repeat(10_000);
      const batch = (i: number) => Array.from({ length: 20 }, (_, j) => `${i * 20 + j} ${rest}`);
      let batches = 0;
      const unsent = () => server.socket.unsentBytes();
      // The kernel takes some megabytes first.
      while (unsent() < 1_000_000) {
        server.socket.send(batch(batches));
        batches += 1;
        await new Promise((resolve) => setImmediate(resolve));
      }
      const grown = unsent();
      server.socket.send(batch(batches));
      expect(unsent()).toBeGreaterThanOrEqual(grown + 200_000);
      client.resume();
      await soon(
        () => heard.length,
        (count) => count === (batches + 1) * 20,
      );
      expect(heard.map((text) => Number.parseInt(text, 10))).toEqual(heard.map((_, i) => i));
      expect(unsent()).toBe(0);
      client.terminate();
    });

    it('after the end is nothing, and no error', async () => {
      const { client, server } = await transport.join();
      server.socket.close(4500, 'limitReached');
      server.socket.send(['late']);
      server.socket.send(['later', 'still']);
      server.socket.close(4501, 'ticketInvalid');
      expect(await closeOf(client)).toEqual({ code: 4500, reason: 'limitReached' });
      await server.closed;
      server.socket.send(['much later']);
      server.socket.terminate();
      expect(server.socket.unsentBytes()).toBe(0);
    });
  });

  describe('closing', () => {
    it('by the server gives the client code and reason, after all that was sent', async () => {
      const { client, server } = await transport.join();
      const heard: string[] = [];
      client.on('message', (data) => heard.push(data.toString()));
      server.socket.send(['stop', 'ended']);
      server.socket.close(4503, 'superseded');
      expect(await closeOf(client)).toEqual({ code: 4503, reason: 'superseded' });
      expect(heard).toEqual(['stop', 'ended']);
      expect(await server.closed).toBe(4503);
    });

    it('by the client tells the server its code', async () => {
      const { client, server } = await transport.join();
      client.close(4321, 'mine');
      expect(await server.closed).toBe(4321);
      const another = await transport.join();
      another.client.close();
      expect(await another.server.closed).toBe(1005);
    });

    it('without a close frame is 1006, on either side', async () => {
      const { client, server } = await transport.join();
      client.terminate();
      expect(await server.closed).toBe(1006);
      const another = await transport.join();
      another.server.socket.terminate();
      expect((await closeOf(another.client)).code).toBe(1006);
      expect(await another.server.closed).toBe(1006);
    });

    it('waits for a slow reader, and can be cut short', async () => {
      const [slow, gone] = [await transport.join(), await transport.join()];
      for (const { client, server } of [slow, gone]) {
        client.pause();
        while (server.socket.unsentBytes() < 100_000) server.socket.send(['x'.repeat(50_000)]);
        server.socket.send(['last']);
        server.socket.close(4002, 'slowConsumer');
      }
      let last = '';
      slow.client.on('message', (data) => {
        last = data.toString();
      });
      slow.client.resume();
      expect(await closeOf(slow.client)).toEqual({ code: 4002, reason: 'slowConsumer' });
      expect(last).toBe('last');
      gone.server.socket.terminate();
      expect([1006, 4002]).toContain(await gone.server.closed);
      gone.client.resume();
      expect((await closeOf(gone.client)).code).toBe(1006);
    });

    it('cuts off who neither answers nor leaves', async () => {
      const before = transport.met.length;
      const bare = await openBare(transport.port, HANDSHAKE);
      const server = await soon(
        () => transport.met[before]!,
        (met) => met !== undefined,
      );
      server.socket.close(4500, 'limitReached');
      await bare.ended;
      // It half-closed only; that it is gone is seen when what is sent to it is not taken.
      const gone = new Promise((resolve) => bare.tcp.on('close', resolve));
      const nagging = setInterval(() => bare.tcp.write(frame(1, 'and?')), 500);
      await gone;
      clearInterval(nagging);
    });
  });
});
