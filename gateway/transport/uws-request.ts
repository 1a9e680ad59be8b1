/** A request of uWebSockets.js as one of the Fetch standard. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';

/** Of a body that is too long so much is read and dropped, so that its sender hears the refusal. */
const MAX_DROPPED_BYTES = 1024 * 1024;
/** Two lengths that differ are two requests to whoever takes the other one. */
const LENGTH_PATTERN = /^\d+$/;
/** `host` or `host:port`; anything else could end the authority and begin a path of its own. */
const HOST_PATTERN = /^(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d+)?$/;

export interface RequestHead {
  method: string;
  url: string;
  headers: Headers;
}

/** Reads all of a request that is gone after the first await. Null: it can't be one. */
export function readHead(request: HttpRequest): RequestHead | null {
  const host = request.getHeader('host');
  if (!HOST_PATTERN.test(host)) return null;
  const query = request.getQuery();
  const path = request.getUrl();
  // In any other form it would not stay behind the host.
  if (!path.startsWith('/')) return null;
  const headers = new Headers();
  try {
    request.forEach((name, value) => {
      headers.append(name, value);
    });
  } catch {
    return null;
  }
  const length = headers.get('content-length');
  if (length !== null && !LENGTH_PATTERN.test(length)) return null;
  return {
    method: request.getCaseSensitiveMethod(),
    url: `http://${host}${path}${query ? `?${query}` : ''}`,
    headers,
  };
}

/** The standard has no body with these, whatever was sent. */
export function mayHaveBody({ method, headers }: RequestHead): boolean {
  if (method === 'GET' || method === 'HEAD') return false;
  return Number(headers.get('content-length') ?? 0) > 0 || headers.has('transfer-encoding');
}

export interface RequestBody {
  /** of a longer one, one byte more than the limit: enough for whoever refuses it */
  bytes: Uint8Array<ArrayBuffer>;
  /** false: the rest is still under way, and the connection must close */
  isRead: boolean;
}

/**
 * Must be called before the first await. Never settles when the request is aborted: nobody is
 * there to be answered.
 */
export function readBody(response: HttpResponse, maxBytes: number): Promise<RequestBody> {
  const chunks: Uint8Array[] = [];
  let keptBytes = 0;
  let droppedBytes = 0;
  let isSettled = false;
  return new Promise((resolve) => {
    response.onData((chunk, isLast) => {
      if (isSettled) return;
      const kept = Math.min(chunk.byteLength, maxBytes + 1 - keptBytes);
      // A copy: the bytes are taken back when this returns.
      if (kept > 0) chunks.push(new Uint8Array(chunk.slice(0, kept)));
      keptBytes += kept;
      droppedBytes += chunk.byteLength - kept;
      if (!isLast && droppedBytes <= MAX_DROPPED_BYTES) return;
      isSettled = true;
      resolve({ bytes: new Uint8Array(Buffer.concat(chunks, keptBytes)), isRead: isLast });
    });
  });
}
