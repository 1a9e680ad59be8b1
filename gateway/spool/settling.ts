/** Removes a spool file once the ledger has all that it tells. */
import type { Log } from '../../core/runtime/log.ts';
import type { Ledger } from '../ledger.ts';
import { removeSpoolFile, setAside } from './folder.ts';

const LOOK_MS = 2_000;
/** Sessions asked about in one look. */
const MAX_ASKED = 200;

export interface SpooledTotal {
  org: string;
  session: string;
  totalMs: number;
  /** Of one that was read here: whether nothing is left to do for it, whatever the ledger has. */
  isOver?(): Promise<boolean>;
}

export interface SettlingFile {
  path: string;
  totals: SpooledTotal[];
  /** false: it has lines that cannot be read, and is set aside instead */
  isWhole: boolean;
}

export interface Settling {
  add(file: SettlingFile): void;
  stop(): Promise<void>;
}

export function startSettling(options: { ledger: Pick<Ledger, 'base'>; log: Log }): Settling {
  const { ledger, log } = options;
  const files: SettlingFile[] = [];
  let isLooking = false;

  async function isSettled(total: SpooledTotal): Promise<boolean> {
    const known = await ledger.base(total.org, total.session);
    const settledMs = known ? known.base.chargedMs + known.base.overshootMs : 0;
    return settledMs >= total.totalMs || ((await total.isOver?.()) ?? false);
  }

  async function look(): Promise<void> {
    let asked = 0;
    for (const file of [...files]) {
      // The first one that is missing shows that the file stays; the next look begins with it.
      while (file.totals.length > 0 && asked < MAX_ASKED) {
        asked += 1;
        if (!(await isSettled(file.totals[0]!))) break;
        file.totals.shift();
      }
      if (file.totals.length > 0) {
        file.totals.push(file.totals.shift()!);
        continue;
      }
      files.splice(files.indexOf(file), 1);
      await (file.isWhole ? removeSpoolFile(file.path) : setAside(file.path));
      log.info({ file: file.path }, 'the ledger has all that was in the spool');
    }
  }

  const timer = setInterval(() => {
    if (isLooking || files.length === 0) return;
    isLooking = true;
    look()
      .catch((error) => log.debug({ err: error }, 'the spool waits for Postgres'))
      .finally(() => {
        isLooking = false;
      });
  }, LOOK_MS);
  return {
    add: (file) => void files.push(file),
    async stop() {
      clearInterval(timer);
    },
  };
}
