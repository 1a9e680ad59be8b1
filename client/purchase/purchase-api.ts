/**
 * The HTTP API of extra minutes, as a member's browser asks it: by a ticket with the scopes `read`
 * and `buy`, at the gateway whose socket it records by.
 */
import type { GetTicket, Ticket } from '../ticket-source.ts';
import { PurchaseProblem, problemOf } from './purchase-problem.ts';
import type {
  Balance,
  PackageList,
  Purchase,
  PurchaseMethod,
  PurchasePage,
  Recommendation,
  StartedPurchase,
} from './shapes.ts';

const TIMEOUT_MS = 15_000;
const STALE_CODES: readonly string[] = ['ticketStale', 'ticketInvalid'];

export interface PurchaseApiOptions {
  org: string;
  /** A ticket with the scopes `read` and `buy`; asked for when one is needed, and again when stale. */
  getTicket: GetTicket;
  /** The gateway, as a ws, wss, http or https URL. Left out: the `url` that comes with the ticket. */
  url?: string;
  fetch?: typeof fetch;
}

export interface PurchaseOrder {
  package: string;
  currency?: string;
  method?: PurchaseMethod;
  successUrl?: string;
  cancelUrl?: string;
  allowRedirects?: boolean;
}

/** `wss://host/v1/connect`, `https://host` and what lies between are one gateway. */
export function httpBase(url: string): string {
  const { protocol, host } = new URL(url);
  return `${protocol.replace(/^ws/, 'http')}//${host}`;
}

export class PurchaseApi {
  readonly #options: PurchaseApiOptions;
  readonly #fetch: typeof fetch;
  #ticket: Promise<Ticket> | null = null;

  constructor(options: PurchaseApiOptions) {
    this.#options = options;
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
  }

  /** @param currency only packages that have a price in it */
  packages(currency?: string): Promise<PackageList> {
    const query = currency === undefined ? '' : `?currency=${encodeURIComponent(currency)}`;
    return this.#ask('GET', `/v1/extra-minutes/packages${query}`);
  }

  recommendation(currency?: string): Promise<Recommendation> {
    const query = currency === undefined ? '' : `?currency=${encodeURIComponent(currency)}`;
    return this.#ask('GET', this.#path(`/recommendation${query}`));
  }

  balance(): Promise<Balance> {
    return this.#ask('GET', this.#path('?limit=1'));
  }

  /** Newest first. */
  history(cursor?: string): Promise<PurchasePage> {
    const query = cursor === undefined ? '' : `?cursor=${encodeURIComponent(cursor)}`;
    return this.#ask('GET', this.#path(`/purchases${query}`));
  }

  /** @param key the same again gives the same purchase, also where an answer was lost */
  start(order: PurchaseOrder, key: string): Promise<StartedPurchase> {
    return this.#ask('POST', this.#path('/purchases'), order, key);
  }

  purchase(id: string): Promise<Purchase> {
    return this.#ask('GET', this.#path(`/purchases/${encodeURIComponent(id)}`));
  }

  /** Minutes lent while it confirms, where the plan lends any; rejects where it does not. */
  hold(id: string): Promise<Purchase> {
    return this.#ask('POST', this.#path(`/purchases/${encodeURIComponent(id)}/hold`), {});
  }

  cancel(id: string): Promise<Purchase> {
    return this.#ask('POST', this.#path(`/purchases/${encodeURIComponent(id)}/cancel`), {});
  }

  /** In development without keys of Stripe. */
  testPayment(id: string, outcome: 'paid' | 'failed' | 'processing'): Promise<Purchase> {
    const path = this.#path(`/purchases/${encodeURIComponent(id)}/test-payment`);
    return this.#ask('POST', path, { outcome });
  }

  #path(rest: string): string {
    return `/v1/orgs/${encodeURIComponent(this.#options.org)}/extra-minutes${rest}`;
  }

  /** @throws PurchaseProblem; what `getTicket` rejects with is one, too */
  async #ask<T>(method: string, path: string, body?: unknown, key?: string): Promise<T> {
    const first = await this.#send(method, path, body, key);
    if (first.ok) return readJson<T>(first);
    const problem = await problemOf(first);
    if (!STALE_CODES.includes(problem.code)) throw problem;
    this.#ticket = null;
    const second = await this.#send(method, path, body, key);
    if (second.ok) return readJson<T>(second);
    throw await problemOf(second);
  }

  async #send(method: string, path: string, body: unknown, key?: string): Promise<Response> {
    const { ticket, url } = await this.#currentTicket();
    const base = this.#options.url ?? url;
    if (base === undefined) {
      throw new TypeError('No gateway to ask: give `url`, or return `url` with the ticket');
    }
    const headers: Record<string, string> = { authorization: `Bearer ${ticket}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (key !== undefined) headers['idempotency-key'] = key;
    try {
      return await this.#fetch(`${httpBase(base)}${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch {
      throw unreachable();
    }
  }

  #currentTicket(): Promise<Ticket> {
    this.#ticket ??= this.#newTicket();
    return this.#ticket;
  }

  async #newTicket(): Promise<Ticket> {
    try {
      const given = await this.#options.getTicket();
      return typeof given === 'string' ? { ticket: given } : given;
    } catch (error) {
      this.#ticket = null;
      const why = error instanceof Error ? error.message : String(error);
      throw new PurchaseProblem('ticketUnavailable', 0, why);
    }
  }
}

async function readJson<T>(response: Response): Promise<T> {
  try {
    return (await response.json()) as T;
  } catch {
    throw unreachable();
  }
}

function unreachable(): PurchaseProblem {
  return new PurchaseProblem(
    'unreachable',
    0,
    'The gateway cannot be reached. Check the connection, then try again.',
  );
}
