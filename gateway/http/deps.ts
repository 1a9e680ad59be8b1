import type Stripe from 'stripe';
import type { Meter } from '../../core/meter/commands.ts';
import type { Action, Binding } from '../../core/protocol/messages.ts';
import type { ReceiptKeys } from '../../core/receipt/keys.ts';
import type { Log } from '../../core/runtime/log.ts';
import type { TextCipher } from '../../core/runtime/text-cipher.ts';
import type { Tenants } from '../../drizzle/bound.ts';
import type { PaymentSettings } from '../../payments/settings.ts';
import type { Rate } from '../limits/rate.ts';
import type { SessionMetadata } from '../session-metadata.ts';
import type { ShadowBook } from '../shadow/book.ts';
import type { Tickets } from '../tickets.ts';
import type { ProblemCode } from './problem-codes.ts';

export interface DemoSettings {
  org: string;
  user: string;
  speed: number;
  intervalMs: number;
}

/** Why a connection would be turned away before its upgrade, when a browser sees only 1006. */
export interface TurnedAway {
  code: Extract<ProblemCode, 'originNotAllowed' | 'serverFull' | 'draining'>;
  detail: string;
}

/** Stripe, and how we speak to it. */
export interface Payments {
  settings: PaymentSettings;
  stripe: Stripe;
}

export interface HttpDeps {
  /** Every statement says whose rows it is for: rows of others are not there for it. */
  db: Tenants;
  meter: Meter;
  tickets: Tickets;
  metadata: Pick<SessionMetadata, 'read' | 'keep'>;
  /** Of texts at rest that callers send. */
  cipher: TextCipher;
  log: Log;
  /** Wall clock, epoch ms: tickets and keys live on it. */
  now(): number;
  /** Meter time, epoch ms: periods and figures live on it. */
  meterNow(): number;
  /** Accepts `dev-key` and serves the demo's routes. Never in production. */
  development: boolean;
  demo?: DemoSettings;
  /** Where recorders connect, e.g. `wss://meter.example/v1/connect`. Asked when it is needed. */
  publicWsUrl(): string;
  /** Exact origins whose pages may call this API from a browser with a ticket. */
  allowedOrigins: readonly string[];
  /** True once requests are served. */
  serving(): boolean;
  /** What would help where this limit decides, most useful first. */
  actions(binding: Binding): Action[];
  /** The meter answered `recover` for this organization: somebody must ask for its recovery. */
  recoveryNeeded(org: string): void;
  /** How often each caller may ask. Left out: as often as it likes, in development. */
  rate?: Rate;
  /** Left out or null: no keys. In development test payments take their place. */
  payments?: Payments | null;
  turnedAway?(request: Request): TurnedAway | null;
  /** Signs receipts. Left out: none are given out. */
  receiptKeys?: ReceiptKeys | null | undefined;
  /** Minutes that wait to be settled; left out, the worker's sweep finds them. */
  ready?(shard: number, fields: readonly string[]): void;
  /** Hears of each session without a socket that was let in: shadow mode may have decided otherwise. */
  admitted?: ShadowBook['admitted'];
  /** Hears of what the plan would have refused and shadow mode let pass. */
  shadowed?: ShadowBook['decided'];
  /** Ends one live session for an operator. Default: `meter.stop`. */
  stopSession?: Meter['stop'];
  /** Of the product, for the API document. */
  version: string;
  /** The build with the recorder page. Default: that of this project. */
  staticFolder?: string;
}
