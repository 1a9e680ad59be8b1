/** The gateway process: reads its configuration, starts, stops on a signal. */
import cluster from 'node:cluster';
import { createLog } from '../core/runtime/log.ts';
import { startTrouble } from '../core/runtime/start-trouble.ts';
import { createStopList } from '../core/runtime/stop.ts';
import { onUncaught } from '../core/runtime/uncaught.ts';
import { isDriverSlip } from '../drizzle/driver-slip.ts';
import { readConfig } from './config.ts';
import { joinPrimary } from './processes/child.ts';
import { startProcesses } from './processes/primary.ts';
import { startGateway } from './server.ts';
import { MAX_HEADERS_BYTES, UWS_HEADERS_VARIABLE } from './transport/load-uws.ts';

const STOP_DEADLINE_MS = 15_000;
/** What a primary adds, so that its processes can come to their own end. */
const PRIMARY_EXTRA_MS = 1_000;

try {
  const config = readConfig(process.env);
  // Read by uWebSockets.js itself, from the process and not from its arguments.
  process.env[UWS_HEADERS_VARIABLE] ??= String(MAX_HEADERS_BYTES);
  const log = createLog({ name: config.name, level: config.logLevel });
  const isOneOfSeveral = config.processes > 1 && cluster.isWorker;
  const isPrimary = config.processes > 1 && !isOneOfSeveral;
  const deadlineMs = STOP_DEADLINE_MS + (isPrimary ? 2 * PRIMARY_EXTRA_MS : 0);
  const stops = createStopList({ log, deadlineMs });
  stops.onSignals();
  onUncaught({ log, isHarmless: isDriverSlip });
  try {
    if (isPrimary) {
      const patienceMs = STOP_DEADLINE_MS + PRIMARY_EXTRA_MS;
      const ports = await startProcesses(config, log, stops, patienceMs);
      log.info({ ...ports, processes: config.processes }, 'the gateway serves');
    } else {
      const primary = isOneOfSeveral ? joinPrimary(config.name, stops) : null;
      const { port, operationsPort, operations } = await startGateway(config, log, stops, {
        shared: primary,
      });
      primary?.serves(operations);
      log.info({ port, operationsPort }, 'the gateway serves');
    }
  } catch (error) {
    log.fatal({ err: error }, 'the gateway could not start');
    // Also for a person who starts it by hand, and reads no log.
    console.error(`taximeter: ${startTrouble(error)}`);
    await stops.stop('it could not start');
    process.exit(1);
  }
} catch (error) {
  console.error(`taximeter: ${startTrouble(error)}`);
  process.exit(1);
}
