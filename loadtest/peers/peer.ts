/**
 * What every peer is told and says. A peer is a small server as a competent engineer would write it
 * first, doing for each message of a recorder what its name says and nothing else: no sessions, no
 * limits, no stop, no ledger. It answers with as many bytes as a tick of this product has.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface PeerSettings {
  redisUrl: string;
  /** may make tables */
  databaseUrl: string;
  /** a tick as a gateway of this product has sent it */
  tick: string;
}

/** What a recorder of this product sends in answer to a tick. */
export interface Beat {
  type: 'beat';
  seq: number;
  capturedMs: number;
}

/** One JSON argument: a peer has no flags for people. */
export function readSettings(): PeerSettings {
  const [, , text] = process.argv;
  if (text === undefined) {
    throw new Error('A peer is started by "npm run bench", which says where its stores are.');
  }
  return JSON.parse(text) as PeerSettings;
}

export async function listen(server: Server = createServer()): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  tellPort((server.address() as AddressInfo).port);
}

/** To the parent, once it serves; and goes with it. 0: it serves no sockets. */
export function tellPort(port: number): void {
  process.send?.({ port });
  process.once('disconnect', () => process.exit(0));
}

/** Answers the parent when it asks how much was done. */
export function tellCount(done: () => number): void {
  process.on('message', () => process.send?.({ done: done() }));
}

/** The beat, or null for what is none. */
export function parseBeat(text: string): Beat | null {
  const message = JSON.parse(text) as Partial<Beat>;
  const { type, seq, capturedMs } = message;
  if (type !== 'beat' || !Number.isSafeInteger(seq) || !Number.isSafeInteger(capturedMs)) {
    return null;
  }
  return message as Beat;
}

/** A tick with the figure that was counted, as an object to be sent as JSON. */
export function tickFrom(text: string): (seq: number, usedMs: number) => object {
  const { type, reading, checkpoint } = JSON.parse(text) as {
    type: string;
    reading: object;
    checkpoint: string;
  };
  return (seq, usedMs) => ({ type, seq, reading: { ...reading, usedMs }, checkpoint });
}
