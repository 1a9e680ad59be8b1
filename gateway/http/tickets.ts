/** Minting tickets for recorders. The member is made on the fly, the organization is not. */
import { randomUUID } from 'node:crypto';
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Database, Queryable } from '../../drizzle/client.ts';
import {
  DEFAULT_TICKET_TTL_SECONDS,
  expiryOf,
  MAX_TICKET_TTL_SECONDS,
  MIN_TICKET_TTL_SECONDS,
  TICKET_SCOPES,
} from '../tickets.ts';
import type { HttpDeps } from './deps.ts';
import { idempotencyHeader, writeOnce } from './idempotency.ts';
import { makeMember } from './members.ts';
import { backendSecurity } from './openapi.ts';
import { requireBackend } from './principal.ts';
import { problemResponses } from './problem.ts';
import { type HttpEnv, newRouter } from './router.ts';
import { idSchema, instant, instantSchema, json, jsonBody } from './schemas.ts';

export const ticketBodySchema = z
  .strictObject({
    org: idSchema('acme'),
    user: idSchema('ann'),
    session: idSchema('interview-7').optional().openapi({
      description: 'Only this session may be started or resumed with it.',
    }),
    scopes: z
      .array(z.enum(TICKET_SCOPES))
      .min(1)
      .optional()
      .openapi({
        description:
          '`record` connects, `read` reads own figures over HTTP, `buy` buys extra minutes for its ' +
          'organization and sees what it bought. Default: `record` and `read`.',
      }),
    ttlSeconds: z
      .int()
      .min(MIN_TICKET_TTL_SECONDS)
      .max(MAX_TICKET_TTL_SECONDS)
      .default(DEFAULT_TICKET_TTL_SECONDS),
    trustCaptured: z.boolean().default(false).openapi({
      description: 'What this recorder says it captured may lower what is charged.',
    }),
    origin: z
      .url()
      .refine((url) => URL.canParse(url) && new URL(url).origin === url, {
        message: 'must be an origin, like https://app.example',
      })
      .optional()
      .openapi({ description: 'Only pages of this origin may use it.' }),
  })
  .openapi('TicketBody');

export const ticketSchema = z
  .object({
    ticket: z
      .string()
      .openapi({ description: 'Opens one connection. Keep it out of URLs and logs.' }),
    expiresAt: instantSchema,
    url: z.string().openapi({ description: 'Where to connect.', example: 'wss://host/v1/connect' }),
  })
  .openapi('Ticket');
export type TicketShown = z.infer<typeof ticketSchema>;

const postRoute = createRoute({
  method: 'post',
  path: '/v1/tickets',
  tags: ['tickets'],
  summary: 'Mint a ticket for one recorder',
  description: 'Short-lived, and single use for a connection.',
  security: backendSecurity,
  request: { headers: idempotencyHeader, ...jsonBody(ticketBodySchema) },
  responses: {
    201: json(ticketSchema, 'The ticket.'),
    ...problemResponses('organizationUnknown', 'idempotencyKeyReused'),
  },
});

/** What is kept of a ticket under its Idempotency-Key: enough to mint it again, never itself. */
interface Minted {
  jti: string;
  issuedAt: number;
  expiresAt: number;
}

async function drawOnce(
  c: Context<HttpEnv>,
  deps: HttpDeps,
  db: Database,
  draw: (tx: Queryable) => Promise<Minted>,
): Promise<Minted> {
  const { body } = await writeOnce<Minted>(c, db, {
    run: async (tx) => ({ status: 201, body: await draw(tx) }),
    // An expired ticket is of no effect any more: then the key gives a new one.
    stands: ({ expiresAt }) => expiresAt > deps.now(),
  });
  return body;
}

export function tickets(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(postRoute, async (c) => {
    const body = c.req.valid('json');
    requireBackend(c.get('principal'), body.org);
    const db = deps.db.of(body.org);
    const draw = async (db: Queryable): Promise<Minted> => {
      await makeMember(db, body.org, body.user);
      const issuedAt = deps.now();
      return { jti: randomUUID(), issuedAt, expiresAt: expiryOf(issuedAt, body.ttlSeconds) };
    };
    const isRepeatable = c.req.header('idempotency-key') !== undefined;
    // Without a key it is one statement, and needs no transaction around it.
    const minted = isRepeatable ? await drawOnce(c, deps, db, draw) : await draw(db);
    const { ticket, expiresAt } = await deps.tickets.mint({ ...body, ...minted });
    return c.json({ ticket, expiresAt: instant(expiresAt), url: deps.publicWsUrl() }, 201);
  });
  return app;
}
