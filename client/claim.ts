/**
 * What entitles this recorder to its session, and so what it says first on a connection: a ticket
 * to start, the last checkpoint to come back, a new ticket where that checkpoint was refused.
 */
import type { Resume, Start } from '../core/protocol/messages.ts';
import type { CheckpointRecord } from './checkpoint-store.ts';
import type { Clock } from './clock.ts';
import type { GatewayList } from './gateway-list.ts';
import type { MeterClientOptions } from './options.ts';
import { newSessionId } from './session-id.ts';
import { type Ticket, TicketSource } from './ticket-source.ts';

/** How often in a row a refusal is answered with other words before it is believed. */
const RENEWALS = 2;

/** A session that is live waits so long for a ticket, then asks for another one. Real ms. */
export const TICKET_PATIENCE_MS = 15_000;

export class Claim {
  readonly #options: MeterClientOptions;
  readonly #gateways: GatewayList;
  readonly #clock: Clock;
  readonly #tickets: TicketSource;
  #session = '';
  #checkpoint: string | null = null;
  /** The server knows this session: come back with `resume`. */
  #begun = false;
  /** Begun before a reload; whether it still lives, nobody has said yet. */
  #fromStore = false;
  /** The checkpoint does not let in by itself any more; it still is a witness. */
  #needsTicket = false;
  #saidTicket = false;
  #renewals = 0;

  constructor(options: MeterClientOptions, gateways: GatewayList, clock: Clock) {
    this.#options = options;
    this.#gateways = gateways;
    this.#clock = clock;
    this.#tickets = new TicketSource(options.getTicket, options.ticket);
  }

  get session(): string {
    return this.#session;
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** A new claim: on the session that the store still holds, which is returned, or on a new one. */
  begin(): CheckpointRecord | null {
    const kept = this.#options.store?.load() ?? null;
    this.#session = kept?.session ?? this.#options.session ?? newSessionId();
    this.#checkpoint = kept?.checkpoint ?? null;
    this.#begun = kept !== null;
    this.#fromStore = kept !== null;
    this.#needsTicket = false;
    this.#renewals = 0;
    return kept;
  }

  /** Rejects as `getTicket` does. */
  async firstMessage(captured: { capturedMs?: number }): Promise<Start | Resume> {
    const { session, ticket } = await this.#ticket();
    this.#saidTicket = ticket !== undefined;
    if (this.#begun) {
      const checkpoint = this.#checkpoint === null ? {} : { checkpoint: this.#checkpoint };
      const said = ticket === undefined ? {} : { ticket };
      return { type: 'resume', session: this.#session, ...checkpoint, ...said, ...captured };
    }
    this.#session = session ?? this.#session;
    const { plannedMs, metadata } = this.#options;
    return {
      type: 'start',
      ...(ticket === undefined ? {} : { ticket }),
      session: this.#session,
      ...(plannedMs === undefined ? {} : { plannedMs }),
      ...(metadata === undefined ? {} : { metadata }),
    };
  }

  started(session: string): void {
    this.#session = session;
    this.#begun = true;
    this.#fromStore = false;
    this.#renewals = 0;
    this.#needsTicket = false;
  }

  keep(checkpoint: string, recordedMs: number): void {
    this.#checkpoint = checkpoint;
    const savedAt = this.#clock.wallAt();
    this.#options.store?.save({ session: this.#session, checkpoint, recordedMs, savedAt });
  }

  /** The session is not this recorder's any more. */
  release(): void {
    this.#checkpoint = null;
    this.#options.store?.clear();
  }

  /** What was said did not let in: say it with a new ticket. */
  stale(): void {
    this.#needsTicket = true;
  }

  /** Whether there is something else to say after this refusal; false: believe it. */
  refused(code: string): boolean {
    if (this.#renewals >= RENEWALS) return false;
    this.#renewals += 1;
    const stale = code === 'ticketStale' || code === 'checkpointInvalid';
    if (
      (stale || code === 'ticketInvalid') &&
      (!this.#saidTicket || (stale && this.#tickets.canRenew))
    ) {
      // Overtaken it still proves what was recorded; refused with a ticket, too, it is of no use.
      if (code === 'checkpointInvalid' && this.#saidTicket) this.#checkpoint = null;
      this.#needsTicket = true;
      return true;
    }
    const gone = code === 'sessionUnknown' || code === 'sessionEnded' || code === 'sessionInvalid';
    if (gone && this.#fromStore) {
      this.release();
      this.#session = this.#options.session ?? newSessionId();
      this.#begun = false;
      this.#fromStore = false;
      return true;
    }
    // Live here and unknown there: what was lost is lost, what comes must be metered.
    if (code === 'sessionUnknown' && this.#begun) {
      this.#checkpoint = null;
      this.#begun = false;
      return true;
    }
    return false;
  }

  /** None where the checkpoint lets in. Without an address it is asked for all the same. */
  async #ticket(): Promise<Partial<Ticket>> {
    const isNeeded = this.#needsTicket || this.#checkpoint === null;
    if (!isNeeded && !this.#gateways.isEmpty) return {};
    // Before it is live nothing is lost, and a backend may ask a person first.
    const given = await (this.#begun ? this.#inTime(this.#tickets.next()) : this.#tickets.next());
    if (given.url !== undefined) this.#gateways.learn(given.url);
    return isNeeded ? given : {};
  }

  async #inTime<T>(asked: Promise<T>): Promise<T> {
    let stopWaiting = () => {};
    const late = new Promise<never>((_, reject) => {
      const detail = `No ticket came within ${TICKET_PATIENCE_MS / 1_000} seconds. Asking again.`;
      stopWaiting = this.#clock.after(TICKET_PATIENCE_MS, () => reject(new Error(detail)));
    });
    try {
      return await Promise.race([asked, late]);
    } finally {
      stopWaiting();
    }
  }
}
