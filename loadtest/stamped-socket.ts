/**
 * A WebSocket that notes when each message came before anything is done about it. Recorders that
 * would have a machine each share one thread here: were they to act while others' messages wait to be
 * read, the last of two hundred would seem to be told late when it only had to queue for this process.
 */
import { WebSocket } from 'ws';
import type { SocketLike } from '../client/index.ts';
import { machineNowMs } from './machine-clock.ts';

type Kind = 'open' | 'message' | 'close' | 'error';

export class StampedSocket implements SocketLike {
  readonly #socket: WebSocket;
  /** When what is being heard now came, on the machine's clock. */
  heardAtMs = 0;

  constructor(url: string, protocols?: string | string[]) {
    this.#socket = new WebSocket(url, protocols, { perMessageDeflate: false });
  }

  get readyState(): number {
    return this.#socket.readyState;
  }

  send(data: string): void {
    this.#socket.send(data);
  }

  close(code?: number, reason?: string): void {
    this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }

  /** First everything that has come is read, from all sockets; then each is heard, in order. */
  addEventListener(type: Kind, listener: (event: object) => void): void {
    const later = (event: object) => {
      const atMs = machineNowMs();
      setImmediate(() => {
        this.heardAtMs = atMs;
        listener(event);
      });
    };
    this.#socket.addEventListener(type as 'message', later);
  }
}
