/** The backend's library: a client for the HTTP API. No dependency but `fetch`. */

export type { components, paths } from './api.mjs';
export type { CallOptions } from './call.ts';
export type { Count, Decision, Who } from './gate.ts';
export type { TaximeterOptions } from './options.ts';
export {
  type Action,
  isUnavailable,
  type Problem,
  type ProblemCode,
  TaximeterProblem,
  TaximeterUnreachable,
} from './problem-error.ts';
export { type Refusal, refusalResponse } from './refusal.ts';
export {
  type Check,
  type CheckBody,
  type ConsumeBody,
  type Consumed,
  createTaximeter,
  type Taximeter,
  type Ticket,
  type TicketBody,
  type Usage,
} from './taximeter.ts';
