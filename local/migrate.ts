/** `node dist/local/migrate.js`: brings a database to this version, once, as compose and CI need it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { flag, readEnv, url } from '../core/runtime/env.ts';
import { startTrouble } from '../core/runtime/start-trouble.ts';
import { migrate } from '../drizzle/migrate.ts';
import { makeLogin, SERVICE_ROLE } from './postgres-roles.ts';
import { seed } from './seed.ts';

const HELP = `Usage: node dist/local/migrate.js

  DATABASE_ADMIN_URL  address of the database, as the role that owns its tables
  DATABASE_ROLE       what gateways log in as (taximeter)
  DATABASE_WORKER_ROLE  what workers log in as; left out, they share the role of the gateways, which
                      then may settle too
  WORKER_PASSWORD, DATABASE_SUPERUSER_URL
                      give the workers' role this password, and make it first if it is not there:
                      for a database that is older than the role
  SEED_DEMO           1 also makes the demo plan and organization (0)`;

const TRIES = 30;
const PAUSE_MS = 1_000;
/** What Postgres and the system say while a server is only starting. */
const NOT_YET = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'CONNECT_TIMEOUT', '57P03']);

async function run(): Promise<void> {
  const config = readEnv(
    {
      DATABASE_ADMIN_URL: url('postgres', 'postgresql'),
      DATABASE_ROLE: z.string().default(SERVICE_ROLE),
      DATABASE_WORKER_ROLE: z.string().optional(),
      WORKER_PASSWORD: z.string().optional(),
      DATABASE_SUPERUSER_URL: url('postgres', 'postgresql').optional(),
      SEED_DEMO: flag().default(false),
    },
    process.env,
  );
  const { DATABASE_WORKER_ROLE: workerRole, WORKER_PASSWORD: password } = config;
  const superuserUrl = config.DATABASE_SUPERUSER_URL;
  for (let attempt = 1; ; attempt += 1) {
    try {
      if (superuserUrl && workerRole && password)
        await makeLogin(superuserUrl, workerRole, password);
      await migrate(config.DATABASE_ADMIN_URL, { loginRole: config.DATABASE_ROLE, workerRole });
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
    console.error(`taximeter: ${startTrouble(error)}`);
    process.exitCode = 1;
  });
}
