/** "I am submitting this payment": minutes are lent until it is known what came of it. */
import { createRoute } from '@hono/zod-openapi';
import { holdSentence, startHold } from '../../../payments/hold.ts';
import type { HttpDeps } from '../deps.ts';
import { idempotencyHeader, writeOnce } from '../idempotency.ts';
import { backendOrTicketSecurity } from '../openapi.ts';
import { actorOf } from '../principal.ts';
import { ProblemError, problemResponses } from '../problem.ts';
import { pushLimits } from '../push-limits.ts';
import { newRouter } from '../router.ts';
import { json } from '../schemas.ts';
import { purchaseUnknown } from './payment-problems.ts';
import { requireOwn } from './purchase-actions.ts';
import {
  findPurchase,
  type PurchaseShown,
  purchaseParams,
  purchaseSchema,
  purchasesShown,
} from './purchase-schema.ts';

const postRoute = createRoute({
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

export function purchaseHold(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(postRoute, async (c) => {
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
  return app;
}
