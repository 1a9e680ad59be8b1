/** A bare connection: says what it is told to, byte by byte, and keeps all that it hears. */
import { connect, type Socket } from 'node:net';
import { readServerFrames, type ServerFrames } from './server-frames.ts';

export interface RawAnswer {
  /** 0: none yet */
  status: number;
  /** in small letters */
  headers: ReadonlyMap<string, string>;
  /** all behind the headers */
  rest: Buffer;
}

export interface RawSocket {
  tcp: Socket;
  write(bytes: Uint8Array | string): void;
  answer(): RawAnswer;
  /** of an upgraded one */
  heard(): ServerFrames;
  /** the server has ended or cut it */
  isEnded(): boolean;
  /** Resolves once `look` is true, or with false after `patienceMs`. */
  until(look: () => boolean, patienceMs: number): Promise<boolean>;
  destroy(): void;
}

const NO_ANSWER: RawAnswer = { status: 0, headers: new Map(), rest: Buffer.alloc(0) };

export function openRaw(port: number, localAddress = '127.0.0.1'): Promise<RawSocket> {
  const tcp = connect({ port, host: '127.0.0.1', localAddress, allowHalfOpen: true });
  tcp.setNoDelay(true);
  let received: Buffer = Buffer.alloc(0);
  let ended = false;
  const lookers = new Set<() => void>();
  const changed = () => {
    for (const look of [...lookers]) look();
  };
  tcp.on('data', (piece) => {
    received = Buffer.concat([received, piece]);
    changed();
  });
  const end = () => {
    ended = true;
    changed();
  };
  tcp.on('end', end);
  tcp.on('close', end);

  function answer(): RawAnswer {
    const at = received.indexOf('\r\n\r\n');
    if (at === -1) return NO_ANSWER;
    const [first = '', ...lines] = received.subarray(0, at).toString('latin1').split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1] ?? 0);
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
      }),
    );
    return { status, headers, rest: received.subarray(at + 4) };
  }

  const raw: RawSocket = {
    ...{ tcp, answer },
    write(bytes) {
      if (!tcp.destroyed && tcp.writable) tcp.write(bytes);
    },
    heard: () => readServerFrames(answer().rest),
    isEnded: () => ended,
    until(look, patienceMs) {
      return new Promise((resolve) => {
        const settle = (is: boolean) => {
          clearTimeout(timer);
          lookers.delete(check);
          resolve(is);
        };
        const check = () => {
          if (look()) settle(true);
        };
        const timer = setTimeout(() => settle(look()), patienceMs);
        lookers.add(check);
        check();
      });
    },
    destroy: () => tcp.destroy(),
  };
  return new Promise((resolve, reject) => {
    tcp.once('error', reject);
    tcp.once('connect', () => {
      tcp.off('error', reject);
      tcp.on('error', end);
      resolve(raw);
    });
  });
}
