import type { RefusalCode } from '../../core/protocol/messages.ts';

/**
 * Every error this API answers with: its stable code, HTTP status and title. Programs decide by
 * `code`, people read `detail`. Where a recorder's socket refuses for the same reason, the code is
 * the same (core/protocol/messages.ts).
 */
export const PROBLEMS = {
  webhookInvalid: [400, 'Webhook not accepted'],
  credentialsMissing: [401, 'No credentials'],
  keyInvalid: [401, 'API key not accepted'],
  ticketInvalid: [401, 'Ticket not accepted'],
  ticketStale: [401, 'Ticket expired'],
  limitReached: [402, 'Limit reached'],
  costCeilingReached: [402, 'Cost ceiling of the day reached'],
  plannedTooLong: [402, 'Planned length does not fit'],
  paymentFailed: [402, 'Payment failed'],
  fileTooLarge: [402, 'File larger than the plan takes'],
  notAllowed: [403, 'Not allowed'],
  featureNotAllowed: [403, 'Feature not in the plan'],
  organizationSuspended: [403, 'Organization suspended'],
  originNotAllowed: [403, 'Origin not allowed'],
  organizationUnknown: [404, 'Organization unknown'],
  memberUnknown: [404, 'Member unknown'],
  planUnknown: [404, 'Plan unknown'],
  keyUnknown: [404, 'API key unknown'],
  sessionUnknown: [404, 'Session unknown'],
  consumptionUnknown: [404, 'Consumption unknown'],
  packageUnknown: [404, 'Package unknown'],
  purchaseUnknown: [404, 'Purchase unknown'],
  routeUnknown: [404, 'Nothing here'],
  methodNotAllowed: [405, 'Method not allowed'],
  idempotencyKeyReused: [409, 'Idempotency-Key used for another request'],
  eventIdReused: [409, 'Event id used for another event'],
  checkpointInvalid: [409, 'Checkpoint not accepted'],
  sessionEnded: [409, 'Session has ended'],
  notSettled: [409, 'Session not settled yet'],
  sessionHasSocket: [409, 'Session is metered by its socket'],
  purchaseEnded: [409, 'Purchase has ended'],
  holdRefused: [409, 'No minutes are lent'],
  paymentsNotConfigured: [409, 'Payments not set up here'],
  bodyTooLarge: [413, 'Body too large'],
  mediaTypeUnsupported: [415, 'Media type not supported'],
  invalid: [422, 'Request invalid'],
  customerNotAccepted: [422, 'Customer of Stripe not accepted'],
  sessionInvalid: [422, 'Session invalid'],
  totalBeyondTime: [422, 'Total beyond the time that has passed'],
  upgradeRequired: [426, 'WebSocket upgrade required'],
  concurrencyLimit: [429, 'Too many concurrent sessions'],
  rateLimited: [429, 'Too many requests'],
  unexpected: [500, 'Unexpected error'],
  serverFull: [503, 'Gateway full'],
  draining: [503, 'Gateway draining'],
  ledgerUnavailable: [503, 'Ledger unavailable'],
  meterUnavailable: [503, 'Meter unavailable'],
  paymentsUnavailable: [503, 'Payments unavailable'],
  receiptKeyMissing: [503, 'Receipts not signed here'],
} as const satisfies Record<string, readonly [status: number, title: string]> &
  Record<RefusalCode, readonly [status: number, title: string]>;

export type ProblemCode = keyof typeof PROBLEMS;
export type ProblemStatus = (typeof PROBLEMS)[ProblemCode][0];

export const PROBLEM_CODES = Object.keys(PROBLEMS) as ProblemCode[];
