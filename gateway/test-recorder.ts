/**
 * A recorder that speaks the bare protocol, for tests: it answers ticks unless told not to, and keeps
 * every message it hears.
 */
import { WebSocket } from 'ws';
import {
  type Ended,
  type ServerMessage,
  type Started,
  SUBPROTOCOL,
} from '../core/protocol/messages.ts';

const PATIENCE_MS = 15_000;

export interface TestRecorderOptions {
  headers?: Record<string, string>;
  protocols?: string[];
  /** false: it holds the socket and says nothing more */
  answers?: boolean;
  /** what it answers to `stop` with, after so long; null: nothing */
  savesAfterMs?: number | null;
}

type Type = ServerMessage['type'];
type Message<T extends Type> = Extract<ServerMessage, { type: T }>;

export interface TestRecorder {
  readonly messages: ServerMessage[];
  send(message: unknown): void;
  sendRaw(data: string | Buffer): void;
  /** The first message of a type that fits, from those heard and those to come. */
  next<T extends Type>(type: T, fits?: (message: Message<T>) => boolean): Promise<Message<T>>;
  start(message: Record<string, unknown>): Promise<Started>;
  resume(message: Record<string, unknown>): Promise<Started>;
  stop(): Promise<Ended>;
  /** last checkpoint heard */
  checkpoint(): string;
  /** answers ticks or not, from now on */
  answer(on: boolean): void;
  closed: Promise<{ code: number; reason: string }>;
  /** cuts the line without a close frame */
  cut(): void;
  /** closes it as a person does who gives up */
  leave(): void;
}

/** Rejects where the upgrade is refused, with the HTTP status in the message. */
export function connectRecorder(
  url: string,
  options: TestRecorderOptions = {},
): Promise<TestRecorder> {
  const { savesAfterMs = 10 } = options;
  let answers = options.answers ?? true;
  const socket = new WebSocket(url, options.protocols ?? [SUBPROTOCOL], {
    headers: options.headers ?? {},
    handshakeTimeout: PATIENCE_MS,
  });
  const messages: ServerMessage[] = [];
  const listeners = new Set<() => void>();
  let isClosed = false;
  let checkpoint = '';

  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => {
      isClosed = true;
      for (const listener of [...listeners]) listener();
      resolve({ code, reason: reason.toString() });
    });
  });
  const send = (message: unknown) => socket.send(JSON.stringify(message));

  socket.on('message', (data) => {
    const message = JSON.parse(data.toString()) as ServerMessage;
    messages.push(message);
    if ('checkpoint' in message) checkpoint = message.checkpoint;
    if (message.type === 'tick' && answers) send({ type: 'beat', seq: message.seq });
    if (message.type === 'stop' && savesAfterMs !== null) {
      setTimeout(() => {
        if (socket.readyState === WebSocket.OPEN) send({ type: 'saved', ok: true });
      }, savesAfterMs);
    }
    for (const listener of [...listeners]) listener();
  });

  function next<T extends Type>(
    type: T,
    fits: (message: Message<T>) => boolean = () => true,
  ): Promise<Message<T>> {
    return new Promise((resolve, reject) => {
      const find = () =>
        messages.find(
          (message): message is Message<T> => message.type === type && fits(message as Message<T>),
        );
      const heard = () => messages.map((message) => message.type).join(', ') || 'nothing';
      function look(): void {
        const found = find();
        if (!found && !isClosed) return;
        clearTimeout(timer);
        listeners.delete(look);
        if (found) resolve(found);
        else reject(new Error(`Closed without "${type}"; heard ${heard()}.`));
      }
      const timer = setTimeout(() => {
        listeners.delete(look);
        reject(new Error(`No "${type}" in ${PATIENCE_MS} ms; heard ${heard()}.`));
      }, PATIENCE_MS);
      listeners.add(look);
      look();
    });
  }

  const recorder: TestRecorder = {
    messages,
    send,
    sendRaw: (data) => socket.send(data),
    next,
    start(message) {
      send({ type: 'start', ...message });
      return next('started');
    },
    resume(message) {
      send({ type: 'resume', ...message });
      return next('started');
    },
    stop() {
      send({ type: 'stop' });
      return next('ended');
    },
    checkpoint: () => checkpoint,
    answer(on) {
      answers = on;
    },
    closed,
    cut: () => socket.terminate(),
    leave: () => socket.close(1000),
  };
  return new Promise((resolve, reject) => {
    socket.on('open', () => resolve(recorder));
    socket.on('error', reject);
  });
}
