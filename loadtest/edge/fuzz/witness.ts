/**
 * A recorder with manners on the very gateway that is fuzzed, with a stopwatch of its own: what
 * others do to the gateway must cost it nothing.
 */
import { WebSocket } from 'ws';
import type { Ended, ServerMessage, Started } from '../../../core/protocol/messages.ts';
import { SUBPROTOCOL } from '../../../core/protocol/messages.ts';
import { CONNECT_PATH } from '../raw/handshake.ts';

const PATIENCE_MS = 20_000;

export interface WitnessAccount {
  session: string;
  /** what the gateway says it recorded */
  recordedMs: number;
  /** by its own stopwatch, from `started` to its `stop` */
  ownMs: number;
  ticks: number;
  /** longest time between two ticks */
  worstGapMs: number;
}

export interface Witness {
  /** what has gone wrong so far; null: nothing */
  trouble(): string | null;
  /** Stops, and hears what was recorded. @throws where it was closed, or hears nothing */
  stop(): Promise<WitnessAccount>;
  cut(): void;
}

export async function startWitness(port: number, ticket: string): Promise<Witness> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${CONNECT_PATH}`, [SUBPROTOCOL]);
  let started: Started | null = null;
  let ended: Ended | null = null;
  let trouble: string | null = null;
  let startedAt = 0;
  let tickedAt = 0;
  let ticks = 0;
  let worstGapMs = 0;
  let changed: () => void = () => {};

  socket.on('open', () => socket.send(JSON.stringify({ type: 'start', ticket })));
  socket.on('error', (error) => {
    trouble ??= String(error);
    changed();
  });
  socket.on('close', (code) => {
    if (!ended) trouble ??= `it was closed with ${code}`;
    changed();
  });
  socket.on('message', (data) => {
    const message = JSON.parse(data.toString()) as ServerMessage;
    const now = performance.now();
    if (message.type === 'started') {
      started = message;
      startedAt = now;
      tickedAt = now;
    } else if (message.type === 'tick') {
      ticks += 1;
      worstGapMs = Math.max(worstGapMs, now - tickedAt);
      tickedAt = now;
      socket.send(JSON.stringify({ type: 'beat', seq: message.seq }));
    } else if (message.type === 'ended') {
      ended = message;
      if (message.reason !== 'stopped')
        trouble ??= `its session was ended: ${JSON.stringify(message)}`;
    } else if (message.type === 'error' || message.type === 'refused') {
      trouble ??= `it was told ${message.type}: ${message.detail}`;
    }
    changed();
  });

  function until<T>(look: () => T | null): Promise<T> {
    return new Promise((resolve, reject) => {
      const giveUp = (why: string) => {
        clearTimeout(timer);
        reject(new Error(`The other recorder: ${why}.`));
      };
      const timer = setTimeout(() => giveUp(`heard nothing in ${PATIENCE_MS} ms`), PATIENCE_MS);
      changed = () => {
        const found = look();
        if (found !== null) {
          clearTimeout(timer);
          resolve(found);
        } else if (trouble) giveUp(trouble);
      };
      changed();
    });
  }

  const { session } = await until(() => started);
  return {
    trouble: () => trouble,
    async stop() {
      if (trouble) throw new Error(`The other recorder: ${trouble}.`);
      const ownMs = performance.now() - startedAt;
      socket.send(JSON.stringify({ type: 'stop' }));
      const { summary } = await until(() => ended);
      return { session, recordedMs: summary.recordedMs, ownMs, ticks, worstGapMs };
    },
    cut: () => socket.terminate(),
  };
}
