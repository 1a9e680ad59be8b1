import { defineConfig } from 'vitest/config';

const FOLDERS = 'core,gateway,worker,client,server,drizzle,loadtest,local,tools';

export default defineConfig({
  test: {
    include: [`{${FOLDERS}}/**/*.test.{ts,tsx}`],
    environment: 'node',
    // One Redis and one Postgres for the whole run.
    globalSetup: ['./local/test-stores.ts'],
    pool: 'forks',
    // Two processes: enough to use a small machine, few enough that stores keep their pace on it.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // A test that leaves a timer or socket behind must be seen, not waited for.
    teardownTimeout: 10_000,
    reporters: ['default'],
  },
});
