/**
 * Every message of `taximeter.v1` as a table of fields, held to its interface in messages.ts by
 * the compiler. codec.ts holds what arrives against them.
 */
import * as is from './fields.ts';
import type {
  Action,
  Beat,
  ClientMessage,
  Draining,
  Ended,
  Expiry,
  ExtraExpires,
  ProtocolError,
  Queued,
  Reading,
  Recovered,
  Refused,
  Resume,
  Saved,
  ServerMessage,
  SessionEnd,
  SourceChanged,
  Start,
  Started,
  Stop,
  Stopping,
  Summary,
  Threshold,
  Tick,
  Warning,
  WarningState,
} from './messages.ts';

// Client → server
const start: is.MessageTable<Start> = {
  ticket: is.optional(is.token),
  session: is.optional(is.id),
  plannedMs: is.optional(is.whole),
  metadata: is.optional(is.metadata),
};
const resume: is.MessageTable<Resume> = {
  session: is.id,
  checkpoint: is.optional(is.token),
  ticket: is.optional(is.token),
  capturedMs: is.optional(is.whole),
};
const beat: is.MessageTable<Beat> = {
  seq: is.whole,
  state: is.optional(is.oneOf('recording', 'paused')),
  capturedMs: is.optional(is.whole),
};
const stop: is.MessageTable<Stop> = {
  capturedMs: is.optional(is.whole),
  reason: is.optional(is.text),
};
const saved: is.MessageTable<Saved> = {
  ok: is.flag,
  capturedMs: is.optional(is.whole),
  detail: is.optional(is.text),
};

// Server → client
const reading = is.object<Reading>({
  binding: is.name(),
  sessionMs: is.whole,
  usedMs: is.whole,
  limitMs: is.nullable(is.whole),
  remainingMs: is.nullable(is.whole),
  percent: is.amount,
  source: is.name(),
  extraRemainingMs: is.whole,
  burnRate: is.amount,
  endsAt: is.nullable(is.whole),
  periodEndsAt: is.nullable(is.whole),
  at: is.whole,
});
const percentThreshold = is.object<Extract<Threshold, { percent: number }>>({ percent: is.amount });
const remainingThreshold = is.object<Extract<Threshold, { remainingMs: number }>>({
  remainingMs: is.whole,
});
const threshold: is.Field<Threshold> = {
  words: 'a percent or remainingMs',
  optional: false,
  check: (value, level) =>
    (typeof value === 'object' && value !== null && 'percent' in value
      ? percentThreshold
      : remainingThreshold
    ).check(value, level),
};
const warningState: is.Table<WarningState> = {
  id: is.token,
  threshold,
  scope: is.name(),
};
const actions = is.list(
  is.object<Action>({
    type: is.name(),
    url: is.optional(is.text),
    package: is.optional(is.text),
    until: is.optional(is.whole),
  }),
);
const extraExpires = is.object<ExtraExpires>({ at: is.whole, ms: is.whole });
const started: is.MessageTable<Started> = {
  session: is.id,
  epoch: is.whole,
  resumed: is.flag,
  state: is.oneOf('recording', 'paused'),
  intervalMs: is.whole,
  timeoutMs: is.whole,
  saveWindowMs: is.whole,
  checkpoint: is.token,
  reading,
  warnings: is.list(is.object<WarningState>(warningState)),
  speed: is.optional(is.rate),
  extraExpires: is.optional(is.nullable(extraExpires)),
};
const tick: is.MessageTable<Tick> = { seq: is.whole, reading, checkpoint: is.token };
const warning: is.MessageTable<Warning> = { ...warningState, reading, actions };
const recovered: is.MessageTable<Recovered> = { id: is.token, reading };
const source: is.MessageTable<SourceChanged> = { from: is.name(), to: is.name(), reading };
const expiry: is.MessageTable<Expiry> = {
  id: is.token,
  notice: is.name(),
  extraExpires: is.nullable(extraExpires),
  expired: is.optional(extraExpires),
};
const stopping: is.MessageTable<Stopping> = {
  reason: is.name(),
  binding: is.name(),
  saveWindowMs: is.whole,
  reading,
  actions,
};
const sessionEnd: is.Table<SessionEnd> = {
  reason: is.name(),
  summary: is.object<Summary>({
    recordedMs: is.whole,
    overshootMs: is.whole,
    bySource: is.object<Summary['bySource']>({
      planMs: is.whole,
      extraMs: is.whole,
      overageMs: is.whole,
    }),
    startedAt: is.whole,
    endedAt: is.whole,
  }),
};
const ended: is.MessageTable<Ended> = { session: is.id, checkpoint: is.token, ...sessionEnd };
const refused: is.MessageTable<Refused> = {
  code: is.name(),
  detail: is.text,
  binding: is.optional(is.name()),
  reading: is.optional(reading),
  actions,
  ended: is.optional(is.object<SessionEnd>(sessionEnd)),
};
const queued: is.MessageTable<Queued> = { position: is.whole, retryAfterMs: is.whole };
const draining: is.MessageTable<Draining> = { retryAfterMs: is.whole };
const error: is.MessageTable<ProtocolError> = { code: is.name(), detail: is.text, fatal: is.flag };

type Tables<M extends { type: string }> = {
  [T in M['type']]: is.MessageTable<Extract<M, { type: T }>>;
};

/** A Map, so that a `type` of `constructor` or `__proto__` is just a word nobody knows. */
function compile<M extends { type: string }>(tables: Tables<M>) {
  const entries = Object.entries(tables) as [string, is.MessageTable<M>][];
  return new Map(entries.map(([type, table]) => [type, is.entriesOf(table)] as const));
}

export const clientMessages = compile<ClientMessage>({ start, resume, beat, stop, saved });
export const serverMessages = compile<ServerMessage>({
  started,
  tick,
  warning,
  recovered,
  source,
  expiry,
  stop: stopping,
  ended,
  refused,
  queued,
  draining,
  error,
});
export type MessageTables = typeof clientMessages;
