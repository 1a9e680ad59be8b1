import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const FOLDERS = 'core,gateway,worker,client,server,drizzle,payments,loadtest,local,tools,examples';
const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    // The examples name the package, as everybody does who has installed it.
    alias: [
      { find: /^taximeter\/client$/, replacement: source('client/index.ts') },
      { find: /^taximeter\/server$/, replacement: source('server/index.ts') },
      { find: /^taximeter\/(express|hono|next)$/, replacement: `${source('server')}/$1.ts` },
    ],
  },
  test: {
    include: [`{${FOLDERS}}/**/*.test.{ts,tsx}`],
    environment: 'node',
    // One Redis and one Postgres for the whole run.
    globalSetup: ['./local/test-stores.ts'],
    pool: 'forks',
    // Half of what the long tests do is wait: three keep two cores at work, and stores at their pace.
    maxWorkers: 3,
    // For a machine with other work; what hangs for good is found all the same.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // A second, which is vitest's own, is not long on a busy machine.
    expect: { poll: { timeout: 10_000 } },
    // A test that leaves a timer or socket behind must be seen, not waited for.
    teardownTimeout: 10_000,
    reporters: ['default'],
  },
});
