/** Where tickets come from. Ours are single use, so every `start` asks for a fresh one. */
export interface Ticket {
  ticket: string;
  /** Where to connect, for clients that were given no addresses. */
  url?: string;
  /** The session that the ticket is bound to. */
  session?: string;
}
export type GetTicket = () => Promise<string | Ticket>;

export class TicketSource {
  readonly #get: GetTicket | null;
  readonly #given: string | null;

  /** A given ticket is offered again and again: right for tokens of an identity provider. */
  constructor(get: GetTicket | undefined, given: string | undefined) {
    this.#get = get ?? null;
    this.#given = given ?? null;
    if (this.#get === null && this.#given === null) {
      throw new TypeError('A meter client needs `getTicket` or `ticket`');
    }
  }

  /** Whether asking again can bring another ticket than the one that was refused. */
  get canRenew(): boolean {
    return this.#get !== null;
  }

  /** Rejects as `getTicket` does. */
  async next(): Promise<Ticket> {
    const ticket = this.#get === null ? this.#given! : await this.#get();
    return typeof ticket === 'string' ? { ticket } : ticket;
  }
}
