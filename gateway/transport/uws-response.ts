/** A response of the Fetch standard, written to one of uWebSockets.js. */

import type { HttpResponse } from 'uWebSockets.js';
import { STATUS_CODES } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Shorter bodies are handed over whole; of longer ones a slow reader's memory is not to be ours. */
const SMALL_BODY_BYTES = 64 * 1024;
/** uWebSockets.js writes these by itself. */
const OWN_HEADERS = new Set(['content-length', 'transfer-encoding', 'date', 'connection']);

export interface Answering {
  to: HttpResponse;
  /** aborted when the peer is gone: `to` must not be touched from then on */
  gone: AbortSignal;
  method: string;
  /** the connection must not be used again */
  closes: boolean;
}

/** Resolves when it is sent, or its reader is gone. */
export async function writeResponse(response: Response, answering: Answering): Promise<void> {
  const { to, gone, method, closes } = answering;
  const begin = () => writeHead(response, to, closes);
  if (response.body === null || method === 'HEAD') {
    await response.body?.cancel();
    if (gone.aborted) return;
    const length = response.headers.get('content-length');
    to.cork(() => {
      begin();
      if (method === 'HEAD' && length !== null) to.endWithoutBody(Number(length), closes);
      // An argument that is undefined would be written as a length.
      else if (method === 'HEAD' || hasNoBody(response.status)) to.endWithoutBody();
      else to.end('', closes);
    });
    return;
  }
  const reader = response.body.getReader();
  const cancel = () => void reader.cancel().catch(() => {});
  gone.addEventListener('abort', cancel);
  try {
    await writeBody(reader, begin, answering);
  } finally {
    gone.removeEventListener('abort', cancel);
  }
}

type Reader = ReadableStreamDefaultReader<Uint8Array>;

async function writeBody(reader: Reader, begin: () => void, { to, gone, closes }: Answering) {
  const first = await reader.read();
  if (gone.aborted) return;
  let next = reader.read();
  // What was made in one piece ends at once: its length can be told, and it needs no chunks.
  const isWhole = await Promise.race([next.then(({ done }) => done), nextTurn(false)]);
  if (gone.aborted) return;
  const whole = first.value ?? new Uint8Array();
  if (first.done || isWhole) {
    if (whole.byteLength > SMALL_BODY_BYTES) return writeLong(whole, begin, to, gone);
    to.cork(() => {
      begin();
      to.end(whole, closes);
    });
    return;
  }
  await writeChunk(whole, to, gone, begin);
  while (!gone.aborted) {
    const { done, value } = await next;
    if (gone.aborted) return;
    if (done) {
      to.cork(() => void to.end(undefined, closes));
      return;
    }
    await writeChunk(value, to, gone);
    next = reader.read();
  }
}

/** Resolves when it may be followed by another one. */
function writeChunk(
  chunk: Uint8Array,
  to: HttpResponse,
  gone: AbortSignal,
  begin?: () => void,
): Promise<void> {
  return new Promise((resolve) => {
    let hasRoom = true;
    to.cork(() => {
      begin?.();
      hasRoom = to.write(chunk);
    });
    if (hasRoom) return resolve();
    gone.addEventListener('abort', () => resolve(), { once: true });
    to.onWritable(() => {
      resolve();
      return true;
    });
  });
}

/** A body of known length, of which never more is handed over than the peer takes. */
function writeLong(
  body: Uint8Array,
  begin: () => void,
  to: HttpResponse,
  gone: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    gone.addEventListener('abort', () => resolve(), { once: true });
    let from = 0;
    to.onWritable((offset) => {
      const [hasRoom, isDone] = to.tryEnd(body.subarray(offset - from), body.byteLength);
      if (isDone) resolve();
      return hasRoom;
    });
    to.cork(() => {
      begin();
      from = to.getWriteOffset();
      if (to.tryEnd(body, body.byteLength)[1]) resolve();
    });
  });
}

function writeHead({ status, statusText, headers }: Response, to: HttpResponse, closes: boolean) {
  to.writeStatus(`${status} ${statusText || (STATUS_CODES[status] ?? '')}`);
  for (const [name, value] of headers) {
    if (!OWN_HEADERS.has(name)) to.writeHeader(name, value);
  }
  if (closes) to.writeHeader('connection', 'close');
  else if (headers.has('upgrade')) to.writeHeader('connection', 'upgrade');
}

function hasNoBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}
