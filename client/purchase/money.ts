/** Amounts as Stripe counts them, in words of the reader's language. */

/** Whole units, whatever ISO 4217 says: docs.stripe.com/currencies. */
const WITHOUT_DECIMALS = new Set(
  'bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf'.split(' '),
);
const WITH_THREE_DECIMALS = new Set('bhd jod kwd omr tnd'.split(' '));

/** How many of the smallest unit, as Stripe counts it, make one of the currency. */
function unitsOf(currency: string): number {
  if (WITHOUT_DECIMALS.has(currency)) return 1;
  return WITH_THREE_DECIMALS.has(currency) ? 1_000 : 100;
}

/** @param locale a BCP 47 tag; undefined: the reader's own */
export function money(cents: number, currency: string, locale?: string): string {
  const amount = cents / unitsOf(currency);
  return amount.toLocaleString(locale, { style: 'currency', currency: currency.toUpperCase() });
}
