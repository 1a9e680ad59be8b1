/**
 * Looks over all sessions and sockets twice a second: recorders that no longer answer, readers that
 * do not keep up, sessions that have been without the meter for too long.
 */
import { CloseCode } from '../core/protocol/close-codes.ts';
import { MAX_UNSENT_BYTES, MAX_UNSENT_MS } from '../core/protocol/limits.ts';
import type { Connection } from './connection.ts';
import { dismiss, type LiveSession } from './session.ts';

const LOOK_MS = 500;

export interface WatchOptions {
  monotonicMs(): number;
  /** real ms of silence after which a recorder is taken for gone: interval + timeout */
  silenceMs: number;
  sessions(): Iterable<LiveSession>;
  connections(): Iterable<Connection>;
  meterFailed(session: LiveSession): void;
  /** The meter has not taken its word: of those with a recorder, who bring others, one is enough. */
  sayAgain(session: LiveSession): void;
}

export function startWatch(options: WatchOptions): { stop(): Promise<void> } {
  const { monotonicMs, silenceMs } = options;
  const silent = `No beat came for ${silenceMs / 1_000} s, and the connection is taken for dead: resume.`;

  function look(): void {
    const now = monotonicMs();
    let waiting: LiveSession | null = null;
    for (const session of options.sessions()) {
      if (session.wire && now - session.heardAt > silenceMs) {
        dismiss(session.wire, 'beatTimeout', silent);
      }
      if (session.waitingSince === null) continue;
      const { onMeterFailure, meterFailureMs } = session.limits;
      // A call may be slow; a meter that is away is asked again and again.
      const patience = onMeterFailure === 'continue' ? meterFailureMs : silenceMs;
      if (now - session.waitingSince > patience) options.meterFailed(session);
      else if (!session.wire) options.sayAgain(session);
      else waiting ??= session;
    }
    if (waiting) options.sayAgain(waiting);
    for (const connection of options.connections()) {
      const isSlow = connection.socket.unsentBytes() > MAX_UNSENT_BYTES;
      if (!isSlow) connection.slowSince = null;
      else if (connection.slowSince === null) connection.slowSince = now;
      else if (now - connection.slowSince > MAX_UNSENT_MS) {
        connection.close(CloseCode.slowConsumer, 'slowConsumer');
        connection.socket.terminate();
      }
    }
  }

  const timer = setInterval(look, LOOK_MS);
  return {
    async stop() {
      clearInterval(timer);
    },
  };
}
