/** From what went wrong to what a person is told of it. */
import { PurchaseProblem } from './purchase-problem.ts';
import type { Trouble, TroubleKind } from './purchase-state.ts';

const KINDS: Partial<Record<string, TroubleKind>> = {
  unreachable: 'unreachable',
  ticketUnavailable: 'unreachable',
  paymentsUnavailable: 'unavailable',
  ledgerUnavailable: 'unavailable',
  meterUnavailable: 'unavailable',
  draining: 'unavailable',
  rateLimited: 'unavailable',
  paymentsNotConfigured: 'notConfigured',
  notAllowed: 'notAllowed',
  paymentFailed: 'declined',
};

export function troubleOf(error: unknown): Trouble {
  const detail = error instanceof Error ? error.message : String(error);
  if (!(error instanceof PurchaseProblem)) return { kind: 'unexpected', detail };
  const kind = KINDS[error.code] ?? (error.status >= 500 ? 'unavailable' : 'unexpected');
  return { kind, detail };
}
