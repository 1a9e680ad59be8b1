/** The Postgres of a stage: killed as a machine is switched off, and started again where it was. */
import { type RunningPostgres, startPostgres } from '../../../local/postgres.ts';

export interface PostgresSite {
  /** of gateways */
  url: string;
  workerUrl: string;
  adminUrl: string;
  port: number;
  isUp(): boolean;
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function openPostgresSite(dataDir: string): Promise<PostgresSite> {
  let running: RunningPostgres | null = await startPostgres({ dataDir });
  const { url, workerUrl, adminUrl } = running;
  const port = Number(new URL(url).port);
  return {
    ...{ url, workerUrl, adminUrl, port },
    isUp: () => running !== null,
    async kill() {
      const victim = running;
      if (victim === null) return;
      running = null;
      process.kill(victim.pid, 'SIGKILL');
      await victim.ended;
      await victim.stop();
    },
    async start() {
      running ??= await startPostgres({ dataDir, port });
    },
    async stop() {
      await running?.stop();
    },
  };
}
