import { inSnapshot } from '../../../worker/ledger/check/snapshot.ts';
import { inRepair, noteRepair, type Step } from '../../../worker/ledger/fix/step.ts';
import { readPartitions } from '../postgres-look.ts';
import { type FixContext, ledgerFixOf } from './step.ts';

/**
 * Makes the partitions of the months ahead. Where minutes of such a month lie in the default
 * partition already, making it would move what refers to them, purchased minutes too: that is left
 * to the worker and the migration, which do it anyway.
 */
export function makePartitions(context: FixContext): Step {
  const { stores, now } = context;
  const fix = ledgerFixOf(context);
  return {
    title: 'make the partitions of the months ahead',
    codes: ['partitionMissing'],
    async run() {
      const { sql } = stores.database;
      const before = await inSnapshot(sql, (tx) => readPartitions(tx, now));
      const missing = before.wanted.filter((month) => !before.months.includes(month));
      if (missing.length === 0) return null;
      if (before.inDefault > 0) {
        throw new Error(
          `${before.inDefault} minutes lie in the default partition: a running worker makes the ` +
            'partitions and moves them; or run the migration.',
        );
      }
      return inRepair(sql, async (tx) => {
        for (const month of missing) {
          await tx`select make_usage_partitions(to_date(${month}, 'YYYY_MM'), 1)`;
        }
        const detail = { before: before.months, made: missing };
        await noteRepair(tx, fix, { action: 'partitions', detail });
        return `partitions were made for ${missing.join(', ').replaceAll('_', '-')}`;
      });
    },
  };
}
