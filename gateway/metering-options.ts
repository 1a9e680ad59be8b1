/** What the metering of a gateway is made of. */
import type { MeterClock } from '../core/meter/commands.ts';
import type { RedisMeter } from '../core/meter/meter.ts';
import type { Clock } from '../core/runtime/clock.ts';
import type { Log } from '../core/runtime/log.ts';
import type { CheckpointSeal } from './checkpoint.ts';
import type { Ledger } from './ledger.ts';
import type { Minutes } from './minutes.ts';
import type { OutageBook } from './outage-book.ts';
import type { SessionMetadata } from './session-metadata.ts';
import type { TellingOptions } from './telling.ts';
import type { Tickets } from './tickets.ts';

export interface MeteringOptions {
  meter: RedisMeter;
  ledger: Ledger;
  tickets: Tickets;
  seal: CheckpointSeal;
  minutes: Minutes;
  book: OutageBook;
  clock: Clock;
  log: Log;
  meterClock: MeterClock;
  intervalMs: number;
  timeoutMs: number;
  resumeWindowMs: number;
  links: TellingOptions['links'];
  /** what recorders say of their sessions */
  metadata: Pick<SessionMetadata, 'keep'>;
  wakeRecovery(shard: number): void;
}
