/** `npm start`: everything on one machine, until Ctrl-C. */
import { onOrphaned } from './ancestors.ts';
import { FlagError, HELP, parseFlags, type UpFlags } from './flags.ts';
import { greeting } from './greeting.ts';
import { type Installation, startInstallation } from './installation.ts';
import { MAINS, type Mains } from './processes.ts';
import { explain } from './trouble.ts';

/** npm passes a terminal's Ctrl-C on, so that one press may arrive twice. */
const SAME_SIGNAL_MS = 500;

const say = (line: string): void => console.log(`taximeter: ${line}`);

/** Other main files than the project's, as a JSON object: for tests of this file. */
function mains(env: NodeJS.ProcessEnv): Mains {
  const given = env.TAXIMETER_MAINS;
  return given === undefined ? MAINS : (JSON.parse(given) as Mains);
}

async function run(flags: UpFlags): Promise<number> {
  const abort = new AbortController();
  let started = false;
  let asked: (why: string) => void = () => {};
  const stopAsked = new Promise<string>((resolve) => {
    asked = resolve;
  });
  let askedAt = 0;
  function stopOrForce(why: string): void {
    if (abort.signal.aborted) {
      if (performance.now() - askedAt < SAME_SIGNAL_MS) return;
      say('a second signal: ending at once');
      // The watchdog sees us go and ends what still runs, in order.
      process.exit(1);
    }
    askedAt = performance.now();
    abort.abort();
    if (!started) say('stopping once this step is done (Ctrl-C again: at once) ...');
    asked(why);
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stopOrForce(name));
  const release = onOrphaned(process.env.npm_lifecycle_event !== undefined, () =>
    stopOrForce('npm is gone'),
  );

  let installation: Installation;
  try {
    const options = { flags, env: process.env, mains: mains(process.env), say };
    installation = await startInstallation({ ...options, signal: abort.signal });
  } catch (error) {
    release();
    if (abort.signal.aborted) return 0;
    console.error(`taximeter: ${explain(error, flags.dataDir)}`);
    return 1;
  }
  started = true;
  console.log(greeting(flags, installation.gateway));

  const broken = installation.broken.then((sentence) => ({ sentence }));
  const outcome = await Promise.race([broken, stopAsked]);
  release();
  if (typeof outcome === 'string') {
    say(`stopping (${outcome}): gateways, then the worker, then the stores ...`);
  } else {
    console.error(`taximeter: ${explain(new Error(outcome.sentence), flags.dataDir)}`);
    say('stopping the rest ...');
  }
  try {
    await installation.stop();
  } catch (error) {
    console.error(`taximeter: ${explain(error, flags.dataDir)}`);
    return 1;
  }
  say('stopped');
  return typeof outcome === 'string' ? 0 : 1;
}

// A reader that has gone (`npm start | head`) must not end what is metered.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
try {
  const flags = parseFlags(process.argv.slice(2));
  if (flags === 'help') console.log(HELP);
  else process.exit(await run(flags));
} catch (error) {
  if (!(error instanceof FlagError)) throw error;
  console.error(`taximeter: ${error.message}`);
  process.exit(1);
}
