/** One gateway process as its primary sees it. */
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { AskPath, WordFromChild, WordToChild } from './words.ts';

/** Longer than the readiness of a store may take (gateway/http/operations.ts). */
const ANSWER_MS = 3_000;

export interface Answer {
  status: number;
  body: string;
}

export interface GatewayProcess {
  readonly name: string;
  readonly pid: number;
  readonly isServing: boolean;
  /** Whether connections may be given to it. */
  readonly isTaking: boolean;
  /**
   * Gives it a connection that nothing was read of, and none more until it answered. Resolves with true
   * once it has it, with false if it does not take it or ends before; the caller's own end of it stays
   * open all the while.
   */
  give(connection: Socket): Promise<boolean>;
  /** Resolves with true once it serves, with false if it ends before. */
  readonly started: Promise<boolean>;
  /** Resolves when it has ended, with a few words saying how. */
  readonly ended: Promise<string>;
  /** null: it did not answer in time, or has ended */
  ask(path: AskPath): Promise<Answer | null>;
  /** Has it hand its sessions over and end; after `patienceMs` it is killed. */
  stop(reason: string, patienceMs: number): Promise<void>;
  kill(): void;
}

export function forkGateway(name: string, env: Record<string, string>): GatewayProcess {
  const worker: Worker = cluster.fork({ ...env, GATEWAY_NAME: name });
  const asked = new Map<number, (answer: Answer | null) => void>();
  let lastId = 0;
  let isServing = false;
  let isTaking = false;
  let answered: (isTaken: boolean) => void = () => {};

  const ended = once(worker, 'exit').then(([code, signal]) => {
    isServing = false;
    for (const resolve of [...asked.values()]) resolve(null);
    return signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
  });
  const serves = new Promise<true>((resolve) => {
    worker.on('message', (word: WordFromChild) => {
      if (word.type === 'answer') asked.get(word.id)?.(word);
      if (word.type === 'connection') {
        if (!word.isTaken) isTaking = false;
        answered(word.isTaken);
      }
      if (word.type === 'serves') {
        isServing = true;
        isTaking = true;
        resolve(true);
      }
    });
  });
  // After its last word, which an exit may overtake: what it read of must not go to another one. Its
  // disconnect is told by nobody while a connection is on its way to it.
  worker.process.once('close', () => {
    isTaking = false;
    answered(false);
  });
  // A channel that breaks is an ending, and heard as that.
  worker.on('error', () => {});
  const say = (word: WordToChild, connection?: Socket) => {
    if (worker.isConnected()) worker.send(word, connection, { keepOpen: true }, () => {});
  };

  return {
    name,
    pid: worker.process.pid ?? 0,
    get isServing() {
      return isServing;
    },
    get isTaking() {
      return isTaking;
    },
    give(connection) {
      return new Promise((resolve) => {
        answered = resolve;
        say({ type: 'connection' }, connection);
      });
    },
    started: Promise.race([serves, ended.then(() => false)]),
    ended,
    ask(path) {
      if (!isServing) return Promise.resolve(null);
      const id = ++lastId;
      return new Promise((resolve) => {
        const timer = setTimeout(() => settle(null), ANSWER_MS);
        function settle(answer: Answer | null): void {
          clearTimeout(timer);
          asked.delete(id);
          resolve(answer);
        }
        asked.set(id, settle);
        say({ type: 'ask', id, path });
      });
    },
    async stop(reason, patienceMs) {
      say({ type: 'stop', reason });
      const timer = setTimeout(() => worker.process.kill('SIGKILL'), patienceMs);
      await ended;
      clearTimeout(timer);
    },
    kill: () => void worker.process.kill('SIGKILL'),
  };
}
