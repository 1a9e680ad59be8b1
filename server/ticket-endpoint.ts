/** Where a page of yours gets its ticket: the answer is what `getTicket` of the browser's client takes. */
import { type Awaitable, type Decision, decide, type Who, whoAsks } from './gate.ts';
import { NOT_SIGNED_IN, refusalResponse } from './refusal.ts';
import type { Taximeter, Ticket, TicketBody } from './taximeter.ts';

export interface TicketOptions<R> {
  taximeter: Pick<Taximeter, 'tickets'>;
  /** Who asks, from your own sign-in; null: nobody is signed in, answered with 401. */
  who: (request: R) => Awaitable<Who | null>;
  /** What else the ticket says: its session, its origin. */
  ticket?: (request: R, who: Who) => Awaitable<Partial<Omit<TicketBody, 'org' | 'user'>>>;
  onDecision?: (decision: Decision, request: R) => void;
}

/** 201 `{ ticket, expiresAt, url }`, or a problem document. Rejects as a `Gate` does. */
export async function answerTicket<R>(options: TicketOptions<R>, request: R): Promise<Response> {
  const who = await whoAsks(options, request);
  if (who === null) return refusalResponse(NOT_SIGNED_IN);
  const more = (await options.ticket?.(request, who)) ?? {};
  let minted: Ticket | null = null;
  const passage = await decide(options, request, who, null, async () => {
    const { org, user } = who;
    minted = await options.taximeter.tickets.mint({ ...more, org, user });
    return { headers: {}, giveBack: null };
  });
  if ('refusal' in passage) return refusalResponse(passage.refusal);
  // A ticket lets in whoever has it: nothing between may keep it.
  return Response.json(minted, { status: 201, headers: { 'cache-control': 'no-store' } });
}
