/**
 * Why a connection was closed. The range says what a client does next:
 * 4000–4499 reconnect and resume, 4500–4999 do not.
 */
export const CloseCode = {
  normal: 1000,
  goingAway: 1001,
  tooBig: 1009,
  draining: 1012,
  tryAgainLater: 1013,
  beatTimeout: 4001,
  slowConsumer: 4002,
  rateLimited: 4003,
  ticketStale: 4004,
  rebalance: 4005,
  limitReached: 4500,
  ticketInvalid: 4501,
  superseded: 4503,
  concurrencyLimit: 4504,
  badMessage: 4506,
  sessionEnded: 4507,
  organizationSuspended: 4508,
  startTimeout: 4509,
  meterUnavailable: 4510,
  featureNotAllowed: 4511,
  stoppedByOperator: 4512,
} as const;

export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];
export type CloseName = keyof typeof CloseCode;

const nameByCode = new Map<number, CloseName>(
  (Object.entries(CloseCode) as [CloseName, CloseCode][]).map(([name, code]) => [code, name]),
);

/** The short name that travels as the close reason; the number as text for a code we do not know. */
export function closeName(code: number): string {
  return nameByCode.get(code) ?? String(code);
}

/** Whether a client should come back with `resume`. 1006 (no close frame seen) means yes. */
export function shouldReconnect(code: number): boolean {
  if (code >= 4000 && code <= 4499) return true;
  if (code >= 4500 && code <= 4999) return false;
  return code !== CloseCode.normal && code !== CloseCode.tooBig;
}
