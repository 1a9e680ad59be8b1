/** What passes between a page and the meter: its sockets, and what the meter says on them. */
import type { Page } from 'playwright-core';
import type { Reading, ServerMessage, Started } from '../core/protocol/messages.ts';

const PATIENCE_MS = 30_000;

export interface Heard {
  connections: number;
  started: Started[];
  messages: ServerMessage[];
  /** Of the last message that had one. */
  reading: Reading | null;
  /** Real time at which it came, epoch ms. */
  readAt: number;
  /** Rejects when it does not come to hold. */
  until(holds: (heard: Heard) => boolean): Promise<void>;
}

/** Call it before the page is opened. */
export function listenToMeter(page: Page): Heard {
  const waiting = new Set<() => void>();
  const heard: Heard = {
    connections: 0,
    started: [],
    messages: [],
    reading: null,
    readAt: 0,
    until(holds) {
      return new Promise((resolve, reject) => {
        const look = () => {
          if (!holds(heard)) return;
          waiting.delete(look);
          clearTimeout(timer);
          resolve();
        };
        const timer = setTimeout(() => {
          waiting.delete(look);
          reject(new Error(`It did not come to hold: ${JSON.stringify(heard.reading)}`));
        }, PATIENCE_MS);
        waiting.add(look);
        look();
      });
    },
  };
  page.on('websocket', (socket) => {
    heard.connections += 1;
    socket.on('framereceived', ({ payload }) => {
      const message = JSON.parse(String(payload)) as ServerMessage;
      heard.messages.push(message);
      if (message.type === 'started') heard.started.push(message);
      if ('reading' in message && message.reading !== undefined) {
        heard.reading = message.reading;
        heard.readAt = Date.now();
      }
      for (const look of [...waiting]) look();
    });
  });
  return heard;
}
