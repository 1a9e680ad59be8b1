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
