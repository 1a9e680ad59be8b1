/** The worker process: reads its configuration, starts, stops on a signal. */
import { createLog } from '../core/runtime/log.ts';
import { startTrouble } from '../core/runtime/start-trouble.ts';
import { createStopList } from '../core/runtime/stop.ts';
import { onUncaught } from '../core/runtime/uncaught.ts';
import { isDriverSlip } from '../drizzle/driver-slip.ts';
import { readConfig } from './config.ts';
import { startWorker } from './worker.ts';

const STOP_DEADLINE_MS = 15_000;

try {
  const config = readConfig(process.env);
  const log = createLog({ name: config.name, level: config.logLevel });
  const stops = createStopList({ log, deadlineMs: STOP_DEADLINE_MS });
  stops.onSignals();
  onUncaught({ log, isHarmless: isDriverSlip });
  try {
    const { operationsPort } = await startWorker(config, log, stops);
    log.info({ operationsPort }, 'the worker works');
  } catch (error) {
    log.fatal({ err: error }, 'the worker could not start');
    // Also for a person who starts it by hand, and reads no log.
    console.error(`taximeter: ${startTrouble(error)}`);
    await stops.stop('it could not start');
    process.exit(1);
  }
} catch (error) {
  console.error(`taximeter: ${startTrouble(error)}`);
  process.exit(1);
}
