/** Brings budgets from Postgres into the meter where it lacks them; once at a time for each. */
import type { BudgetName } from '../core/meter/budget-name.ts';
import type { Meter } from '../core/meter/commands.ts';
import type { BudgetRow } from '../core/meter/rows.ts';
import type { Ledger } from './ledger.ts';

export interface Seeding {
  /** False where it could not be done: no such organization, or a recovery came between. */
  seed(org: string, names: BudgetName[]): Promise<boolean>;
}

export function createSeeding(options: {
  ledger: Pick<Ledger, 'seeds'>;
  meter: Pick<Meter, 'seed'>;
  told(rows: BudgetRow[]): void;
}): Seeding {
  const underWay = new Map<string, Promise<boolean>>();

  async function run(org: string, names: BudgetName[]): Promise<boolean> {
    const seeds = await options.ledger.seeds(org, names);
    if (!seeds) return false;
    const reply = await options.meter.seed(seeds);
    if (reply.status === 'ok') options.told(reply.budgets);
    return reply.status === 'ok';
  }

  return {
    seed(org, names) {
      const key = names.join(' ');
      let going = underWay.get(key);
      if (!going) {
        going = run(org, names).finally(() => underWay.delete(key));
        underWay.set(key, going);
      }
      return going;
    },
  };
}
