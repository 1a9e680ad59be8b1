/** Records of the unsettled set, against what was charged: dense, full but the last, and summing up. */
import { commit } from './test-ledger.ts';
import { demand } from './test-oracle-budget.ts';
import type { Driver } from './test-stage.ts';
import { SHARDS_USED } from './test-stage.ts';

/** Throws a Violation where they are not. */
export async function checkRecords(driver: Driver): Promise<void> {
  const { meter } = driver.subject;
  for (const shard of SHARDS_USED) commit(driver.ledger, await meter.flush(shard));
  for (const [key, { org, minutes }] of driver.ledger.sessions) {
    const perMinute = new Map<number, number>();
    for (const [field, ms] of minutes) {
      const minute = Number(field.split('|')[0]);
      perMinute.set(minute, (perMinute.get(minute) ?? 0) + ms);
    }
    const last = Math.max(-1, ...perMinute.keys());
    for (let minute = 0; minute <= last; minute++) {
      const ms = perMinute.get(minute) ?? 0;
      const isWhole = minute === last ? ms > 0 && ms <= 60_000 : ms === 60_000;
      demand(isWhole, `minute ${minute} of ${key} has ${ms} ms`, [...minutes]);
    }
    const totalMs = [...perMinute.values()].reduce((sum, ms) => sum + ms, 0);
    const reply = await meter.readSession(org, key.split('|')[1] ?? '');
    if (reply.status !== 'ok') continue;
    const { chargedMs } = reply.session;
    demand(totalMs === chargedMs, `${key} has ${totalMs} ms in records`, reply.session);
  }
}
