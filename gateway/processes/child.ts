/** One of several gateway processes on a port: what it owes to the one that started it. */
import cluster from 'node:cluster';
import type { Socket } from 'node:net';
import type { StopList } from '../../core/runtime/stop.ts';
import { createOperations, type OperationsDeps } from '../http/operations.ts';
import type { SharedPort } from '../transport/transport.ts';
import type { AskPath, WordFromChild, WordToChild } from './words.ts';

/** Its connections are those that the primary gives to this process. */
export interface Primary extends SharedPort {
  /** From here on the primary counts on it, and may ask. */
  serves(operations: OperationsDeps): void;
}

/** Stops when the primary says so, and when it is gone: nobody would start this one again. */
export function joinPrimary(name: string, stops: StopList): Primary {
  let operations: OperationsDeps | null = null;
  let taken: ((connection: Socket) => void) | null = null;
  const stop = (reason: string) =>
    void stops.stop(reason).then((isClean) => process.exit(isClean ? 0 : 1));

  cluster.worker?.on('disconnect', () => {
    // Else Node ends this process in the same turn, and recorders are not told where they stand.
    cluster.worker!.exitedAfterDisconnect = true;
    stop('the primary process is gone');
  });
  process.on('message', (word: WordToChild, connection: Socket | undefined) => {
    if (word.type === 'stop') stop(word.reason);
    else if (word.type === 'ask') void answer(word.id, word.path);
    else take(connection);
  });

  /** Without one it was cut off on its way. */
  function take(connection: Socket | undefined): void {
    say({ type: 'connection', isTaken: taken !== null });
    if (taken === null) connection?.destroy();
    else if (connection !== undefined) taken(connection);
  }

  async function answer(id: number, path: AskPath): Promise<void> {
    if (operations === null) return;
    const { metrics, log } = operations;
    try {
      if (path === '/metrics') {
        metrics.setDefaultLabels({ gateway: name });
        say({
          type: 'answer',
          id,
          status: 200,
          body: JSON.stringify(await metrics.getMetricsAsJSON()),
        });
      } else {
        const response = await createOperations(operations).request(path);
        say({ type: 'answer', id, status: response.status, body: await response.text() });
      }
    } catch (error) {
      log.error({ err: error, path }, 'the primary process could not be answered');
    }
  }

  return {
    take(given) {
      taken = given;
      return () => {
        taken = null;
      };
    },
    serves(given) {
      operations = given;
      say({ type: 'serves' });
    },
  };
}

function say(word: WordFromChild): void {
  // Without a callback a channel that closes in this moment would be an error nobody hears.
  if (process.connected) process.send!(word, undefined, {}, () => {});
}
