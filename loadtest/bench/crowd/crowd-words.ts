/** What the crowd's process and its parent say to each other. */
import type { DialectName, SessionName } from './dialect.ts';

/** When a peer's connections send; a gateway asks for its beats itself. */
export type Drive =
  /** every connection once an interval, an organization's together, as a gateway's ticks come */
  | { kind: 'open'; intervalMs: number }
  /** each again as soon as it is answered */
  | { kind: 'closed' }
  | { kind: 'rest' };

export interface OpenTask {
  do: 'open';
  target: string;
  dialect: DialectName;
  port: number;
  sessions: SessionName[];
  /** for tickets; not needed by peers */
  apiKey: string;
  /** over how long they join, evenly; 0: as fast as they are let in */
  overMs: number;
  /** Who has not joined by then does not; null: all do. */
  patienceMs: number | null;
}

/** Some connections ask something that is answered once it is counted, and wait for the answer. */
export interface ProbeTask {
  do: 'probe';
  target: string;
  connections: number;
  everyMs: number;
  forMs: number;
}

/** Every session of this product pauses, or goes on: paused time is not metered. */
export interface StateTask {
  do: 'state';
  target: string;
  isPaused: boolean;
}

export type CrowdTask =
  | OpenTask
  | ProbeTask
  | StateTask
  | { do: 'drive'; target: string; drive: Drive }
  | { do: 'count'; target: string }
  | { do: 'close'; target: string };

export interface CrowdCount {
  /** a message of the connection and one of the server */
  beats: number;
  live: number;
  lost: number;
  /** why the first was lost */
  whyLost: string | null;
  /** of the server's messages, without frames */
  bytesHeard: number;
  /** the first tick that came, as it was */
  sample: string | null;
}

/** What a task comes to: nothing, a count, or the latencies of a probe in ms. */
export type CrowdAnswer = { id: number; error: string } | { id: number; result: unknown };

export interface CrowdOrder {
  id: number;
  task: CrowdTask;
}
