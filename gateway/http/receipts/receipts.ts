/** Receipts of settled sessions, signed, and the keys by which anybody can check them. */
import { createRoute, z } from '@hono/zod-openapi';
import { canonicalJson } from '../../../core/receipt/canonical.ts';
import { signedReceiptSchema } from '../../../core/receipt/receipt.ts';
import { loadReceipt } from '../../../drizzle/queries/load-receipt.ts';
import type { HttpDeps } from '../deps.ts';
import { backendOrTicketSecurity } from '../openapi.ts';
import { ProblemError, problemResponses } from '../problem.ts';
import { newRouter } from '../router.ts';
import { idSchema, json } from '../schemas.ts';
import { findSession } from '../session-lookup.ts';
import { visibleTo } from '../visible.ts';
import { receiptOf } from './receipt-of.ts';

export const RECEIPT_KEYS_PATH = '/v1/receipt-keys';
/** What is open is settled within this, as a rule. */
const RETRY_AFTER_SECONDS = 2;
const KEYS_MAX_AGE_SECONDS = 300;

/** Of core's own, which knows nothing of API documents. */
const shownSchema = z.strictObject(signedReceiptSchema.shape).openapi('SignedReceipt');

const receiptRoute = createRoute({
  method: 'get',
  path: '/v1/sessions/{session}/receipt',
  tags: ['sessions'],
  summary: 'The signed receipt of a settled session: every second by source, lot and rule',
  description:
    'Canonical JSON (RFC 8785), signed with Ed25519 over the canonical form of `receipt`. Keep the ' +
    'bytes as they are: `npm run verify` checks them offline. The same session gives the same bytes, ' +
    'until goodwill for it is given.',
  security: backendOrTicketSecurity,
  request: {
    params: z.object({ session: idSchema('interview-7') }),
    query: z.object({
      org: idSchema('acme').optional().openapi({ description: 'Whose session it is.' }),
    }),
  },
  responses: {
    200: json(shownSchema, 'The receipt and its signature.'),
    ...problemResponses('sessionUnknown', 'notSettled', 'receiptKeyMissing', 'meterUnavailable'),
  },
});

const keySchema = z
  .object({
    ...{ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), kid: z.string() },
    ...{ alg: z.literal('EdDSA'), use: z.literal('sig') },
  })
  .openapi('ReceiptKey');

const keysRoute = createRoute({
  method: 'get',
  path: RECEIPT_KEYS_PATH,
  tags: ['sessions'],
  summary: 'The public keys of receipts, as a JWKS',
  description: 'For anybody. Keep those of the past: receipts outlive their keys.',
  responses: { 200: json(z.object({ keys: z.array(keySchema) }), 'The one that signs first.') },
});

export function receipts(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(receiptRoute, async (c) => {
    const principal = c.get('principal');
    const { session } = c.req.valid('param');
    const { org: asked } = c.req.valid('query');
    const found = await findSession(
      { ...deps, db: visibleTo(deps, principal, asked) },
      principal,
      session,
      asked,
    );
    const { receiptKeys: keys } = deps;
    if (!keys) throw keyMissing();
    const { org } = (found.live ?? found.ledger)!;
    const rows = await loadReceipt(deps.db.of(org), org, session);
    if (rows?.state !== 'closed') throw notSettled(session, rows?.state === 'ended');
    const text = canonicalJson(keys.sign(receiptOf(rows)));
    return c.body(text, 200, { 'content-type': 'application/json' }) as never;
  });

  app.openapi(keysRoute, (c) => {
    c.header('cache-control', `public, max-age=${KEYS_MAX_AGE_SECONDS}`);
    return c.json(deps.receiptKeys?.jwks ?? { keys: [] }, 200);
  });

  return app;
}

function notSettled(session: string, hasEnded: boolean): ProblemError {
  const why = hasEnded ? 'is being settled' : 'has not ended';
  return new ProblemError(
    'notSettled',
    `The session "${session}" ${why}: its receipt is there once the ledger has all of it. Ask again then.`,
    { headers: { 'retry-after': String(RETRY_AFTER_SECONDS) } },
  );
}

function keyMissing(): ProblemError {
  return new ProblemError(
    'receiptKeyMissing',
    'This installation signs no receipts: its operator has to set RECEIPT_KEYS.',
  );
}
