/** The gateway process: reads its configuration, starts, stops on a signal. */
import { createLog } from '../core/runtime/log.ts';
import { createStopList } from '../core/runtime/stop.ts';
import { readConfig } from './config.ts';
import { startGateway } from './server.ts';
import { MAX_HEADERS_BYTES, UWS_HEADERS_VARIABLE } from './transport/load-uws.ts';

const STOP_DEADLINE_MS = 15_000;

try {
  const config = readConfig(process.env);
  // Read by uWebSockets.js itself, from the process and not from its arguments.
  process.env[UWS_HEADERS_VARIABLE] ??= String(MAX_HEADERS_BYTES);
  const log = createLog({ name: config.name, level: config.logLevel });
  const stops = createStopList({ log, deadlineMs: STOP_DEADLINE_MS });
  stops.onSignals();
  try {
    const { port, operationsPort } = await startGateway(config, log, stops);
    log.info({ port, operationsPort }, 'the gateway serves');
  } catch (error) {
    log.fatal({ err: error }, 'the gateway could not start');
    await stops.stop('it could not start');
    process.exit(1);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
