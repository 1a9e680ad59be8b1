/** What is done to a purchase that is begun: it is canceled, lent on, or paid by a test payment. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { cancelPurchase } from '../../../payments/cancel-purchase.ts';
import type { StatusFact } from '../../../payments/facts.ts';
import { holdSentence, startHold } from '../../../payments/hold.ts';
import type { PaymentRow } from '../../../payments/payment-state.ts';
import { StripeTrouble } from '../../../payments/stripe-trouble.ts';
import { takeFact } from '../../../payments/take-fact.ts';
import { audit } from '../audit.ts';
import type { HttpDeps } from '../deps.ts';
import { idempotencyHeader, writeOnce } from '../idempotency.ts';
import { backendOrTicketSecurity } from '../openapi.ts';
import { actorOf, type Principal, requireBuyer } from '../principal.ts';
import { ProblemError, problemResponses } from '../problem.ts';
import { pushLimits } from '../push-limits.ts';
import { type HttpEnv, newRouter } from '../router.ts';
import { json, jsonBody } from '../schemas.ts';
import { paymentsNotConfigured, problemOf, purchaseUnknown } from './payment-problems.ts';
import {
  findPurchase,
  type PurchaseShown,
  purchaseParams,
  purchaseSchema,
  purchasesShown,
} from './purchase-schema.ts';

const MS_PER_SECOND = 1_000;

const cancelRoute = createRoute({
  method: 'post',
  path: '/v1/orgs/{org}/extra-minutes/purchases/{purchase}/cancel',
  tags: ['purchases'],
  summary: 'End a purchase that is not paid',
  description: 'At Stripe first: it can’t be paid any more. Twice is as good as once.',
  security: backendOrTicketSecurity,
  request: { params: purchaseParams, headers: idempotencyHeader },
  responses: {
    200: json(purchaseSchema, 'Canceled.'),
    ...problemResponses(
      ...(['organizationUnknown', 'purchaseUnknown', 'purchaseEnded'] as const),
      ...(['paymentFailed', 'paymentsUnavailable', 'paymentsNotConfigured'] as const),
      'idempotencyKeyReused',
    ),
  },
});

const holdRoute = createRoute({
  method: 'post',
  path: '/v1/orgs/{org}/extra-minutes/purchases/{purchase}/hold',
  tags: ['purchases'],
  summary: 'Lend minutes while a payment confirms',
  description:
    "Call it as the payment is submitted. As much as the plan's `paymentHoldSeconds` is lent, and a " +
    'running session goes on with it at once. Asked again, the open loan stands. One at a time for ' +
    'an organization, and none for a day after one that was not paid.',
  security: backendOrTicketSecurity,
  request: { params: purchaseParams, headers: idempotencyHeader },
  responses: {
    200: json(purchaseSchema, 'The purchase, with its `hold`.'),
    ...problemResponses(
      ...(['organizationUnknown', 'purchaseUnknown', 'holdRefused'] as const),
      'idempotencyKeyReused',
    ),
  },
});

const testRoute = createRoute({
  method: 'post',
  path: '/v1/orgs/{org}/extra-minutes/purchases/{purchase}/test-payment',
  tags: ['purchases'],
  summary: 'A test payment: says what Stripe would say, and no money moves',
  description: 'In development without keys of Stripe, for purchases with method `test`.',
  security: backendOrTicketSecurity,
  request: {
    params: purchaseParams,
    headers: idempotencyHeader,
    ...jsonBody(
      z
        .strictObject({ outcome: z.enum(['paid', 'failed', 'processing']).default('paid') })
        .openapi('TestPaymentBody'),
    ),
  },
  responses: {
    200: json(purchaseSchema, 'The purchase as it stands now.'),
    ...problemResponses(
      ...(['organizationUnknown', 'purchaseUnknown', 'purchaseEnded'] as const),
      ...(['paymentsNotConfigured', 'idempotencyKeyReused'] as const),
    ),
  },
});

export function purchaseActions(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(cancelRoute, async (c) => {
    const { org, purchase } = c.req.valid('param');
    const principal = c.get('principal');
    await requireOwn(deps, principal, org, purchase);
    // The claim alone: what is done is done once in any case.
    await writeOnce(c, deps.db.of(org), { run: async () => ({ status: 200, body: { purchase } }) });
    const row = (await findPurchase(deps.db.of(org), org, purchase))!;
    const after = row.status === 'canceled' ? row : await cancel(deps, principal, row);
    if (after.status !== 'canceled') throw purchaseEnded(after);
    return c.json((await purchasesShown(deps.db.of(org), [after]))[0]!, 200);
  });

  app.openapi(holdRoute, async (c) => {
    const { org, purchase } = c.req.valid('param');
    const principal = c.get('principal');
    await requireOwn(deps, principal, org, purchase);
    const { body } = await writeOnce<PurchaseShown>(c, deps.db.of(org), {
      run: async (tx) => {
        const at = Math.floor(deps.meterNow());
        const loan = await startHold(tx, purchase, at, actorOf(principal));
        if (loan === null) throw purchaseUnknown(org, purchase);
        if (!loan.granted) throw new ProblemError('holdRefused', holdSentence(loan.why));
        const row = (await findPurchase(tx, org, purchase))!;
        return { status: 200, body: (await purchasesShown(tx, [row]))[0]! };
      },
    });
    await pushLimits(deps, [org]);
    return c.json(body, 200);
  });

  app.openapi(testRoute, async (c) => {
    const { org, purchase } = c.req.valid('param');
    const row = await requireOwn(deps, c.get('principal'), org, purchase);
    if (!deps.development) throw paymentsNotConfigured();
    if (row.method !== 'test') throw notForTest(row);
    const { outcome } = c.req.valid('json');
    const { body, repeated } = await payByTest(c, deps, row, outcome);
    if (!repeated) await pushLimits(deps, [org]);
    return c.json(body, 200);
  });

  return app;
}

/** @throws ProblemError where it is not there, or where a member did not begin it */
async function requireOwn(
  deps: HttpDeps,
  principal: Principal,
  org: string,
  purchase: string,
): Promise<PaymentRow> {
  const member = requireBuyer(principal, org);
  const row = await findPurchase(deps.db.of(org), org, purchase);
  if (row === null) throw purchaseUnknown(org, purchase);
  if (member !== null && member !== row.user) {
    throw new ProblemError('notAllowed', 'This ticket is not for the member who began this.');
  }
  return row;
}

/** Answers what has become of it: it may be too late. */
async function cancel(deps: HttpDeps, principal: Principal, row: PaymentRow): Promise<PaymentRow> {
  const { org, id: subject } = row;
  const { db, now, meterNow } = deps;
  const isAtStripe = row.method !== 'test';
  if (isAtStripe && !deps.payments) throw paymentsNotConfigured();
  try {
    const stripe = isAtStripe ? deps.payments!.stripe : null;
    await cancelPurchase({ db: db.all, now, meterNow }, stripe, row);
  } catch (error) {
    if (!(error instanceof StripeTrouble)) throw error;
    throw problemOf(deps, error, subject);
  }
  const after = (await findPurchase(db.of(org), org, subject))!;
  if (after.status === 'canceled') {
    await db.of(org).transaction(async (tx) => {
      const actor = actorOf(principal);
      await audit(tx, { actor, action: 'purchase.cancel', org, subject, at: now() });
    });
  }
  await pushLimits(deps, [org]);
  return after;
}

/** Taken down as if Stripe had said so. */
function payByTest(
  c: Context<HttpEnv>,
  deps: HttpDeps,
  { org, id, amountCents: cents, currency }: PaymentRow,
  outcome: 'paid' | 'failed' | 'processing',
) {
  const at = Math.floor(deps.now() / MS_PER_SECOND) * MS_PER_SECOND;
  const failure = outcome === 'failed' ? TOLD_TO_FAIL : null;
  const fact: StatusFact = { kind: 'status', status: outcome, at, failure, cents, currency };
  return writeOnce<PurchaseShown>(c, deps.db.of(org), {
    run: async (tx) => {
      await takeFact(tx, id, fact, Math.floor(deps.meterNow()));
      const row = (await findPurchase(tx, org, id))!;
      // What has ended stays as it is.
      if (row.status !== outcome) throw purchaseEnded(row);
      const detail = { outcome };
      const entry = { actor: actorOf(c.get('principal')), action: 'purchase.testPayment', org };
      await audit(tx, { ...entry, subject: id, detail, at: deps.now() });
      return { status: 200, body: (await purchasesShown(tx, [row]))[0]! };
    },
  });
}

const TOLD_TO_FAIL = { code: 'testDeclined', message: 'This test payment was told to fail.' };

function notForTest({ id, method }: PaymentRow): ProblemError {
  return new ProblemError(
    'purchaseEnded',
    `Purchase ${id} is not paid by a test payment but by ${method}, at Stripe.`,
  );
}

function purchaseEnded({ id, status }: PaymentRow): ProblemError {
  const words: Partial<Record<PaymentRow['status'], string>> = {
    paid: 'is paid. Give money back by a refund at Stripe',
    processing: 'is on its way to be paid, and can’t be stopped here. Refund it once it is paid',
    canceled: 'is canceled. Begin a new one',
  };
  const said = words[status] ?? `is ${status}. Look at it again in a moment`;
  return new ProblemError('purchaseEnded', `Purchase ${id} ${said}.`);
}
