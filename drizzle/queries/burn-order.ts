/**
 * The order in which lots burn, rule 3 of the ledger (worker/ledger/README.md), for `order by`: those
 * that are only lent come last, then who expires first, then who is oldest. Of lots in one query the
 * columns are meant; the same on every machine, whatever its locale.
 */
export const BURN_ORDER =
  'held_at is not null, expires_at nulls last, purchased_at, id collate "C"';

/** From the lot that burns last: of it minutes are taken back first. */
export const BURN_ORDER_REVERSED =
  'held_at is not null desc, expires_at desc nulls first, purchased_at desc, id collate "C" desc';
