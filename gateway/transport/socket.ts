/**
 * One core, several transports: what a transport offers of a socket, and what it tells. A transport
 * knows frames, sizes and backpressure; it knows no meters.
 */
export interface Socket {
  /** Text frames in one write, in this order. */
  send(texts: readonly string[]): void;
  close(code: number, reason: string): void;
  /** Cuts it off without a close frame. */
  terminate(): void;
  /** bytes accepted but not sent yet */
  unsentBytes(): number;
  readonly remoteAddress: string;
}

export interface Upgrade {
  /** a ticket given as a second subprotocol */
  ticket: string | undefined;
  /** null: not a browser */
  origin: string | null;
}

/** The other side of a socket. */
export interface SocketHandler {
  message(text: string, bytes: number): void;
  /** What is no text frame of a bearable size; the transport closes it then. */
  malformed(detail: string): void;
  /** A ping, which the transport answers, or a pong that nobody asked for. */
  control(): void;
  closed(code: number): void;
}
