import { continuation, frame, Opcode, ping, text } from '../raw/frame.ts';
import { handshake } from '../raw/handshake.ts';
import { openRaw } from '../raw/raw-socket.ts';
import type { TransportName } from '../rfc6455/case.ts';
import { type Attack, endOf, keepSaying, openUpgraded, times } from './attack.ts';
import { BOMBS } from './bombs.ts';

const FEW = 10;
const both = (...ends: string[]): Record<TransportName, readonly string[]> => ({
  ws: ends,
  uws: ends,
});
const started = (ticket: string) => text(JSON.stringify({ type: 'start', ticket }));

/** Slow and silent: each holds a connection for nothing. */
const SLOW: Attack[] = [
  {
    name: 'connections that say nothing',
    run: ({ port }) => times(FEW, async () => endOf(await openRaw(port))),
    ends: both('cut'),
  },
  {
    name: 'handshakes that come a byte now and then',
    run: ({ port }) =>
      times(FEW, async () => {
        const raw = await openRaw(port);
        raw.write(handshake().slice(0, -2));
        return keepSaying(raw, 'X', 300);
      }),
    ends: both('cut'),
  },
  {
    name: 'upgraded connections that say nothing',
    run: ({ port }) => times(FEW, async () => endOf(await openUpgraded(port))),
    ends: both('close 4509'),
  },
  {
    name: 'a first frame that comes a byte now and then',
    run: ({ port }) =>
      times(FEW, async () => {
        const raw = await openUpgraded(port);
        raw.write(text('x'.repeat(4_000)).subarray(0, 10));
        return keepSaying(raw, 'x', 300);
      }),
    ends: both('close 4509'),
  },
  {
    name: 'answers that are asked for in hundreds and never read',
    run: ({ port }) =>
      times(FEW, async () => {
        const raw = await openRaw(port);
        raw.tcp.pause();
        raw.write('GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(300));
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        raw.tcp.resume();
        return endOf(raw);
      }),
    ends: both('cut'),
  },
];

/** Fast and many: all in one write, so that no pause lets tokens grow back. */
const FLOODS: Attack[] = [
  {
    name: 'a flood of beats in a session',
    async run({ port, ticket }) {
      const raw = await openUpgraded(port);
      raw.write(started(await ticket()));
      await raw.until(() => raw.heard().frames.length > 0, 10_000);
      raw.write(
        Buffer.concat(Array.from({ length: 2_000 }, () => text('{"type":"beat","seq":0}'))),
      );
      return [await endOf(raw)];
    },
    ends: both('close 4003'),
  },
  {
    name: 'a flood of pings',
    run: ({ port }) =>
      times(FEW, async () => {
        const raw = await openUpgraded(port);
        raw.write(Buffer.concat(Array.from({ length: 2_000 }, () => ping('x'.repeat(125)))));
        return endOf(raw);
      }),
    ends: both('close 4003'),
  },
  {
    name: 'a flood of pongs',
    run: ({ port }) =>
      times(FEW, async () => {
        const raw = await openUpgraded(port);
        const pong = frame({ opcode: Opcode.pong, payload: 'x'.repeat(125) });
        raw.write(Buffer.concat(Array.from({ length: 2_000 }, () => pong)));
        return endOf(raw);
      }),
    ends: both('close 4003'),
  },
  {
    name: 'pings whose answers are never read',
    run: ({ port }) =>
      times(FEW, async () => {
        const raw = await openUpgraded(port);
        raw.tcp.pause();
        for (let i = 0; i < 50; i++)
          raw.write(Buffer.concat(Array.from({ length: 200 }, () => ping('x'.repeat(125)))));
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        raw.tcp.resume();
        return endOf(raw);
      }),
    // What it still sends when it is closed may reset the connection, and the close frame with it.
    ends: both('close 4003', 'cut'),
  },
];

/** Large, and without an end. */
const ENDLESS: Attack[] = [
  {
    name: 'fragments of a byte without an end',
    run: ({ port }) =>
      times(FEW, async () => {
        const raw = await openUpgraded(port);
        raw.write(text('{', { fin: false }));
        const many = Buffer.concat(
          Array.from({ length: 2_000 }, () => continuation(' ', { fin: false })),
        );
        return keepSaying(raw, many, 20);
      }),
    ends: { ws: ['close 1008'], uws: ['cut'] },
  },
  {
    name: 'empty fragments without an end',
    run: ({ port }) =>
      times(FEW, async () => {
        const raw = await openUpgraded(port);
        raw.write(text('', { fin: false }));
        const many = Buffer.concat(
          Array.from({ length: 20 }, () => continuation('', { fin: false })),
        );
        return keepSaying(raw, many, 100);
      }),
    ends: { ws: ['close 1008'], uws: ['close 4509'] },
  },
  {
    name: 'a frame of a gigabyte',
    run: ({ port }) =>
      times(FEW, async () => {
        const raw = await openUpgraded(port);
        raw.write(frame({ opcode: Opcode.text, saidLength: 2 ** 30, payload: 'x' }));
        return keepSaying(raw, Buffer.alloc(65_536, 0x20), 20);
      }),
    ends: { ws: ['close 1009', 'cut'], uws: ['cut'] },
  },
  {
    name: 'connections that come and go',
    run: ({ port, ticket }) =>
      times(100, async (i) => {
        const raw = i % 2 ? await openRaw(port) : await openUpgraded(port);
        if (i % 10 === 0) raw.write(started(await ticket()));
        raw.destroy();
        return 'left';
      }),
    ends: both('left'),
  },
];

const JSON_BOMBS: Attack[] = BOMBS.map(([name, bomb, end]) => ({
  name: `a message of ${name}`,
  run: ({ port }) =>
    times(3, async () => {
      const raw = await openUpgraded(port);
      raw.write(text(bomb));
      return endOf(raw);
    }),
  ends: both(end),
}));

export const ATTACKS: readonly Attack[] = [...SLOW, ...FLOODS, ...ENDLESS, ...JSON_BOMBS];
