/** `node dist/local/migrate.js`: brings a database to this version, once, as compose and CI need it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { ConfigurationError, flag, readEnv, url } from '../core/runtime/env.ts';
import { migrate } from '../drizzle/migrate.ts';
import { seed } from './seed.ts';

const HELP = `Usage: node dist/local/migrate.js

  DATABASE_ADMIN_URL  address of the database, as the role that owns its tables
  DATABASE_ROLE       role to grant to, that of gateways and workers (taximeter)
  SEED_DEMO           1 also makes the demo plan and organization (0)`;

const TRIES = 30;
const PAUSE_MS = 1_000;
/** What Postgres and the system say while a server is only starting. */
const NOT_YET = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'CONNECT_TIMEOUT', '57P03']);

async function run(): Promise<void> {
  const config = readEnv(
    {
      DATABASE_ADMIN_URL: url('postgres', 'postgresql'),
      DATABASE_ROLE: z.string().default('taximeter'),
      SEED_DEMO: flag().default(false),
    },
    process.env,
  );
  for (let attempt = 1; ; attempt += 1) {
    try {
      await migrate(config.DATABASE_ADMIN_URL, { loginRole: config.DATABASE_ROLE });
      break;
    } catch (error) {
      const code = (error as { code?: string }).code ?? '';
      if (!NOT_YET.has(code) || attempt === TRIES) throw error;
      console.log(`taximeter: the database is not there yet (${code}), trying again ...`);
      await sleep(PAUSE_MS);
    }
  }
  if (config.SEED_DEMO) await seed(config.DATABASE_ADMIN_URL);
  console.log('taximeter: the database is at this version');
}

if (process.argv.includes('--help')) {
  console.log(HELP);
} else {
  await run().catch((error: unknown) => {
    if (!(error instanceof ConfigurationError)) throw error;
    console.error(`taximeter: ${error.message}`);
    process.exitCode = 1;
  });
}
