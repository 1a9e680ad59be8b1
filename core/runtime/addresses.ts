import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const FILE = 'addresses.json';
/** The addresses carry passwords: nobody else on the machine may read them. */
const OWNER_ONLY = 0o600;

const addresses = z.object({
  /** whose they are; when it is gone, so are they */
  pid: z.number().int(),
  redisUrl: z.string().min(1),
  databaseUrl: z.string().min(1),
  /** of the gateway */
  port: z.number().int(),
});

/** Where the stores of a product that runs on this machine are: for commands that look at it. */
export type Addresses = z.infer<typeof addresses>;

/** Leaves them in a data folder, whole or not at all. Answers what takes them away again. */
export function writeAddresses(folder: string, given: Addresses): () => void {
  const path = join(folder, FILE);
  const draft = `${path}.${given.pid}`;
  rmSync(draft, { force: true });
  writeFileSync(draft, `${JSON.stringify(given, null, 1)}\n`, { mode: OWNER_ONLY });
  renameSync(draft, path);
  return () => rmSync(path, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM';
  }
}

/** null: no product runs with this data folder, as far as its file says. */
export function readAddresses(folder: string): Addresses | null {
  try {
    const found = addresses.safeParse(JSON.parse(readFileSync(join(folder, FILE), 'utf8')));
    return found.success && isAlive(found.data.pid) ? found.data : null;
  } catch {
    return null;
  }
}
