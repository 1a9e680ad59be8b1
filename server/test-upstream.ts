/** A server that answers a backend's calls as a test says, one after the other, over real HTTP. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Heard {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
  /** `performance.now()` */
  atMs: number;
}
export type Answering = (response: ServerResponse, request: IncomingMessage) => void;

export interface Upstream {
  url: string;
  heard: Heard[];
  /** The answers to come; the last one is given from then on. */
  script(...answers: Answering[]): void;
  stop(): Promise<void>;
}

export async function startUpstream(): Promise<Upstream> {
  const heard: Heard[] = [];
  let answers: Answering[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece) => {
      body += piece;
    });
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      heard.push({ method, url, headers, body, atMs: performance.now() });
      const answer = answers.length > 1 ? answers.shift()! : answers[0];
      if (answer === undefined) response.writeHead(599).end();
      else answer(response, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard,
    script(...next) {
      answers = next;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export const ok =
  (body: unknown, status = 200): Answering =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };

/** A problem document as the gateway writes it. */
export const problem =
  (status: number, code: string, headers: Record<string, string> = {}): Answering =>
  (response) => {
    const type = 'application/problem+json';
    const document = { type: `/docs#problem-${code}`, title: code, status, code };
    response
      .writeHead(status, { 'content-type': type, ...headers })
      .end(JSON.stringify({ ...document, detail: `It was ${code}.`, actions: [{ type: 'wait' }] }));
  };

/** Takes the request and says nothing. */
export const silent: Answering = () => {};
/** Begins to answer and goes. */
export const cut: Answering = (response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
  response.write('{"half":');
  setTimeout(() => response.destroy(), 10);
};
