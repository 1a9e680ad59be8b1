/** The addresses a client may connect to, taken in turn: what failed is tried last. */
const CONNECT_PATH = '/v1/connect';

/** `https://host`, `wss://host/v1/connect` and what lies between are the same gateway. */
function connectUrl(address: string): string {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new TypeError(`A gateway's address is a URL such as wss://meter.example, not ${address}`);
  }
  const scheme = { 'http:': 'ws:', 'ws:': 'ws:', 'https:': 'wss:', 'wss:': 'wss:' }[url.protocol];
  if (scheme === undefined) {
    throw new TypeError(`A gateway is reached by ws, wss, http or https, not by ${url.protocol}`);
  }
  url.protocol = scheme;
  url.hash = '';
  if (url.pathname === '/') url.pathname = CONNECT_PATH;
  return url.href;
}

export class GatewayList {
  #urls: readonly string[];
  #index = 0;

  constructor(addresses: readonly string[]) {
    this.#urls = addresses.map(connectUrl);
  }

  get isEmpty(): boolean {
    return this.#urls.length === 0;
  }

  /** For a list that came empty: the address that came with the first ticket. */
  learn(address: string): void {
    if (this.isEmpty) this.#urls = [connectUrl(address)];
  }

  current(): string {
    const url = this.#urls[this.#index % this.#urls.length];
    if (url === undefined) {
      throw new TypeError('No gateway to connect to: give `urls`, or return `url` with the ticket');
    }
    return url;
  }

  advance(): void {
    this.#index += 1;
  }
}

/** Where an ordinary request asks why connections are turned away. */
export function askUrl(url: string): string {
  return url.replace(/^ws/, 'http');
}
