/** Brings a day's starts from Postgres into the meter (rule 18); once at a time for each. */
import type { Meter } from '../core/meter/commands.ts';
import type { Ledger } from './ledger.ts';

/** `generation`: as the meter answered. False where a recovery came between: ask it again. */
export type Counting = (org: string, generation: number, since: number) => Promise<boolean>;

export function createCounting(options: {
  ledger: Pick<Ledger, 'starts'>;
  meter: Pick<Meter, 'count'>;
}): Counting {
  const underWay = new Map<string, Promise<boolean>>();

  async function run(org: string, generation: number, since: number): Promise<boolean> {
    const starts = await options.ledger.starts(org, since);
    const reply = await options.meter.count({ org, generation, since, starts });
    return reply.status === 'ok';
  }

  return function count(org, generation, since) {
    const key = `${org}|${generation}|${since}`;
    let going = underWay.get(key);
    if (!going) {
      going = run(org, generation, since).finally(() => underWay.delete(key));
      underWay.set(key, going);
    }
    return going;
  };
}
