/** The recorder's library. No dependency; browsers, and Node from 20.19 with the WebSocket of `ws`. */

export { CloseCode, closeName } from '../core/protocol/close-codes.ts';
export type * from '../core/protocol/messages.ts';
export { Backoff, seededRandom } from './backoff.ts';
export {
  type CheckpointRecord,
  type CheckpointStore,
  type KeyValueStorage,
  memoryCheckpointStore,
  storageCheckpointStore,
} from './checkpoint-store.ts';
export { type Clock, systemClock } from './clock.ts';
export { MeterClient, type MeterListener } from './meter-client.ts';
export type { MeterClientOptions } from './options.ts';
export { type Projection, project } from './projection.ts';
export {
  type OpenOptions,
  PurchaseDialog,
  type PurchaseDialogOptions,
} from './purchase/dialog.ts';
export {
  PurchaseApi,
  type PurchaseApiOptions,
  type PurchaseOrder,
} from './purchase/purchase-api.ts';
export { type Attempt, PurchaseFlow, type PurchaseFlowOptions } from './purchase/purchase-flow.ts';
export { PurchaseProblem } from './purchase/purchase-problem.ts';
export type {
  PurchasePhase,
  PurchaseState,
  Trouble,
  TroubleKind,
} from './purchase/purchase-state.ts';
export {
  type PurchaseReason,
  type PurchaseSentences,
  purchaseSentences,
} from './purchase/sentences.ts';
export type {
  Balance,
  ExtraMinutesPackage,
  PackageList,
  Payments,
  Purchase,
  PurchasePage,
  PurchaseStatus,
  StartedPurchase,
} from './purchase/shapes.ts';
export { type MeterHints, watchMeter } from './purchase/watch-meter.ts';
export { type MeterEvent, reduce } from './reducer.ts';
export { newSessionId } from './session-id.ts';
export type { SocketConstructor, SocketLike } from './socket.ts';
export {
  type ConnectionState,
  initialState,
  isLive,
  isOver,
  type KnownWarning,
  type MeterState,
  type Phase,
  type Refusal,
  type StopNotice,
} from './state.ts';
export type { GetTicket, Ticket } from './ticket-source.ts';
