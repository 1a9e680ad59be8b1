/** The spool of a gateway: what it writes, what it finds, and what it removes. */
import type { Meter } from '../../core/meter/commands.ts';
import type { Log } from '../../core/runtime/log.ts';
import type { Ledger } from '../ledger.ts';
import type { Metering } from '../metering.ts';
import { prepareFolder } from './folder.ts';
import { createSpoolSeal } from './line.ts';
import { restoreSpool } from './restore.ts';
import { startSettling } from './settling.ts';
import { startSpool } from './spool.ts';

export interface OpenSpoolOptions {
  folder: string;
  keys: readonly [Uint8Array, ...Uint8Array[]];
  metering: Metering;
  ledger: Pick<Ledger, 'base'>;
  meter: Pick<Meter, 'readSession'>;
  monotonicMs(): number;
  log: Log;
}

export interface OpenSpool {
  /** Tells the meter what was left here; to be called before recorders are let in. */
  restore(): Promise<void>;
  /** To be called when nothing is metered any more: what could not be told is written. */
  stop(): Promise<void>;
}

/** @throws where the folder cannot be written */
export function openSpool(options: OpenSpoolOptions): OpenSpool {
  const { folder, metering, meter, monotonicMs, log } = options;
  prepareFolder(folder);
  const seal = createSpoolSeal(options.keys);
  const settling = startSettling({ ledger: options.ledger, log });
  const spool = startSpool({
    ...{ folder, seal, settling, log, time: metering.time },
    remembered: () => metering.hub.remembered(),
  });
  return {
    restore: () => restoreSpool({ folder, seal, metering, meter, settling, monotonicMs, log }),
    async stop() {
      await spool.stop();
      await settling.stop();
    },
  };
}
