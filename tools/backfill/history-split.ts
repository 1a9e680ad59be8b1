import type postgres from 'postgres';
import { LimitMode } from '../../core/meter/rows.ts';
import { BURN_ORDER } from '../../drizzle/queries/burn-order.ts';
import { type BurnPeriod, burn, type Lot } from '../../worker/ledger/burn.ts';
import { numbers, words } from '../../worker/ledger/columns.ts';
import { groupBy, minuteKey, periodKey } from '../../worker/ledger/grouping.ts';
import type { BatchOptions } from '../../worker/ledger/write-batch.ts';
import type { Part } from './pack.ts';

type Tx = postgres.TransactionSql;

/** Where imported time was drawn from. */
export interface Sources {
  planMs: number;
  extraMs: number;
  overageMs: number;
}

interface ImportedLot extends Lot {
  org: string;
  purchasedAt: number;
  expiresAt: number | null;
  isElsewhere: boolean;
}

/**
 * Lots that came with an import, in the burn order, with what imported minutes may burn of them: what
 * the source used of them, where it says that, else what is left. Others' lots are not touched: what
 * was bought here can't have been used there.
 */
function lockImportedLots(tx: Tx, orgs: string[]): Promise<ImportedLot[]> {
  return tx<ImportedLot[]>`
    select p.org, p.id as purchase, epoch_ms(p.purchased_at) as "purchasedAt",
      epoch_ms(p.expires_at) as "expiresAt", i.elsewhere_ms is not null as "isElsewhere",
      case when i.elsewhere_ms is null then greatest(0, p.granted_ms - p.reversed_ms - p.used_ms)
        else least(i.elsewhere_ms - i.burnt_ms, p.reversed_ms) end as "leftMs"
    from import_lots i join extra_minutes_purchases p on p.id = i.lot
    where i.org = any(${orgs}) and p.frozen_at is null
    order by p.org, ${tx.unsafe(BURN_ORDER)} for no key update of p`;
}

/** What was used elsewhere lay in `reversed_ms`: it moves, so what is left of a lot stays as it is. */
async function noteBurns(tx: Tx, burns: ReadonlyMap<string, number>): Promise<void> {
  if (burns.size === 0) return;
  const burnt = tx`
    unnest(${words([...burns.keys()])}::text[], ${numbers([...burns.values()])}::bigint[])
      as w (id, ms)`;
  await tx`
    update extra_minutes_purchases p set reversed_ms = p.reversed_ms - w.ms
    from ${burnt} join import_lots i on i.lot = w.id
    where p.id = w.id and i.elsewhere_ms is not null`;
  await tx`update import_lots i set burnt_ms = burnt_ms + w.ms from ${burnt} where i.lot = w.id`;
}

/** A period that is over was paid for there: nothing of it is billed here, nor shown as a debt. */
const asHistory = (period: BurnPeriod & { endsAt: number }, now: number): BurnPeriod => ({
  ...period,
  mode: period.endsAt <= now ? LimitMode.shadow : period.mode,
});

const serves = (lot: ImportedLot, { at }: Part) =>
  lot.leftMs > 0 && lot.purchasedAt <= at && (lot.expiresAt === null || at < lot.expiresAt);

/**
 * How imported minutes are split: by the burn order of worker/ledger/README.md, in the order in which
 * they were recorded. A lot serves what was recorded after its purchase. Where the source says which
 * lot a row burnt, that one comes before plan and other lots.
 * @param parts of which the batch's growth is made
 * @param sums what was drawn from where is added here
 */
export function historySplit(
  parts: readonly Part[],
  now: number,
  sums: Sources,
): NonNullable<BatchOptions['split']> {
  return async (tx, grown, periods) => {
    const minutes = new Map(grown.map((it) => [minuteKey(it), it]));
    const byOrganization = groupBy(parts, (it) => it.org);
    const orgs = [...byOrganization.keys()];
    const lots = groupBy(await lockImportedLots(tx, orgs), (it) => it.org);
    const burns = new Map<string, number>();
    for (const [org, mine] of byOrganization) {
      const ours = lots.get(org) ?? [];
      const limits = new Map(
        [...new Set(mine.map((it) => it.period))].map((period) => [
          period,
          asHistory(periods.get(periodKey({ org, period }))!, now),
        ]),
      );
      for (const part of mine) {
        const limit = limits.get(part.period)!;
        const named = ours.find((it) => it.purchase === part.purchase && it.leftMs > 0);
        const fromNamed = named === undefined ? 0 : Math.min(named.leftMs, part.ms);
        const usable =
          ours.length === 0 ? ours : ours.filter((lot) => lot !== named && serves(lot, part));
        const growth = { period: part.period, ms: part.ms - fromNamed };
        const [split] = burn([growth], new Map([[part.period, limit]]), usable);
        if (fromNamed > 0) {
          split!.lots.unshift({ purchase: named!.purchase, ms: fromNamed });
          split!.extraMs += fromNamed;
        }
        limit.planMs += split!.planMs;
        limit.overageMs += split!.overageMs;
        for (const { purchase, ms } of split!.lots) {
          ours.find((it) => it.purchase === purchase)!.leftMs -= ms;
          burns.set(purchase, (burns.get(purchase) ?? 0) + ms);
        }
        addTo(minutes.get(part.key)!, split!);
        for (const of of ['planMs', 'extraMs', 'overageMs'] as const) sums[of] += split![of];
      }
    }
    await noteBurns(tx, burns);
  };
}

type Grown = Parameters<NonNullable<BatchOptions['split']>>[1][number];

function addTo(minute: Grown, split: ReturnType<typeof burn>[number]): void {
  const { growth } = minute;
  for (const of of ['planMs', 'extraMs', 'overageMs', 'billableMs', 'debtMs'] as const) {
    growth[of] += split[of];
    minute[of] += split[of];
  }
  for (const { purchase, ms } of split.lots) {
    const known = growth.lots.find((it) => it.purchase === purchase);
    if (known === undefined) growth.lots.push({ purchase, ms });
    else known.ms += ms;
  }
}
