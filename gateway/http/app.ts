/** The HTTP API of a gateway, composed: one file an area, and what holds for all of them. */
import { randomUUID } from 'node:crypto';
import type { HonoRequest } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { cors } from 'hono/cors';
import { HTTPException } from 'hono/http-exception';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { MeterUnreachable } from '../../core/meter/servers.ts';
import { adjustments } from './adjustments.ts';
import { extend } from './admission/extend.ts';
import { leasedSessions } from './admission/leased-sessions.ts';
import { analyticsRoutes } from './analytics/routes.ts';
import { apiKeys } from './api-keys.ts';
import { auditLog } from './audit-log.ts';
import { authenticate } from './auth.ts';
import { check } from './check.ts';
import { demo } from './demo.ts';
import type { HttpDeps } from './deps.ts';
import { extraMinutes } from './extra-minutes.ts';
import { consume } from './features/consume.ts';
import { health } from './health.ts';
import { isLedgerUnavailable, isTextNotKept } from './ledger-errors.ts';
import { members } from './members.ts';
import { serveOpenApi } from './openapi.ts';
import { organizations } from './organizations.ts';
import { customer } from './payments/customer.ts';
import { packages } from './payments/packages.ts';
import { purchaseActions } from './payments/purchase-actions.ts';
import { purchases } from './payments/purchases.ts';
import {
  MAX_STRIPE_EVENT_BYTES,
  STRIPE_WEBHOOK_PATH,
  stripeWebhook,
} from './payments/stripe-webhook.ts';
import { topUp } from './payments/top-up.ts';
import { periods } from './periods.ts';
import { plans } from './plans.ts';
import { ProblemError } from './problem.ts';
import { RECEIPT_KEYS_PATH, receipts } from './receipts/receipts.ts';
import { reconcile } from './reconcile.ts';
import { newRouter } from './router.ts';
import { holdScopes } from './scopes.ts';
import { sessions } from './sessions.ts';
import { shadow } from './shadow.ts';
import { staticFiles } from './static.ts';
import { tickets } from './tickets.ts';
import { usageRoutes } from './usage/routes.ts';
import { usageEventsSummary } from './usage-events/summary.ts';
import { usageEvents } from './usage-events/usage-events.ts';

const TEXT_NOT_KEPT =
  'A text in this request has a character that cannot be kept: a zero character, or half of a pair.';
/** Beyond any body of this API, but for what Stripe sends. */
export const MAX_BODY_BYTES = 64 * 1024;
const CORS_MAX_AGE_SECONDS = 600;
const CONNECT_PATH = '/v1/connect';
/** For anybody: why a socket was turned away, and by which keys a receipt is checked; for Stripe, its own. */
const OPEN_PATHS: readonly string[] = [CONNECT_PATH, RECEIPT_KEYS_PATH, STRIPE_WEBHOOK_PATH];

export function maxBodyBytes(path: string): number {
  return path === STRIPE_WEBHOOK_PATH ? MAX_STRIPE_EVENT_BYTES : MAX_BODY_BYTES;
}

export type Http = ReturnType<typeof createHttp>;

export function createHttp(deps: HttpDeps) {
  const app = newRouter();

  app.onError((error, c) => answerTo(error, c.req, deps));
  app.notFound((c) => {
    return new ProblemError(
      'routeUnknown',
      `There is nothing at ${c.req.method} ${c.req.path.slice(0, 200)}. /docs lists what there is.`,
    ).toResponse();
  });
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) =>
        new ProblemError(
          'methodNotAllowed',
          `${c.req.path} takes ${methods.join(', ')}, not ${c.req.method}.`,
          { headers: { allow: methods.join(', ') } },
        ).toResponse(),
    }),
  );
  const ofStripe = limitBody(MAX_STRIPE_EVENT_BYTES);
  const ofOthers = limitBody(MAX_BODY_BYTES);
  app.use((c, next) => (c.req.path === STRIPE_WEBHOOK_PATH ? ofStripe : ofOthers)(c, next));
  app.use('/v1/*', crossOrigin(deps.allowedOrigins));
  app.use('/v1/*', async (c, next) => {
    // Answers differ by caller and by the moment.
    c.header('cache-control', 'no-store');
    if (OPEN_PATHS.includes(c.req.path)) return next();
    return credentials(c, async () => void (await scopes(c, next)));
  });
  const credentials = authenticate(deps);
  const scopes = holdScopes(app);

  app.route('/', health(deps));
  app.route('/', plans(deps));
  app.route('/', organizations(deps));
  app.route('/', members(deps));
  app.route('/', tickets(deps));
  app.route('/', usageRoutes(deps));
  app.route('/', check(deps));
  app.route('/', consume(deps));
  app.route('/', usageEvents(deps));
  app.route('/', usageEventsSummary(deps));
  app.route('/', sessions(deps));
  app.route('/', receipts(deps));
  app.route('/', leasedSessions(deps));
  app.route('/', extend(deps));
  app.route('/', extraMinutes(deps));
  app.route('/', packages(deps));
  app.route('/', purchases(deps));
  app.route('/', purchaseActions(deps));
  app.route('/', topUp(deps));
  app.route('/', customer(deps));
  app.route('/', stripeWebhook(deps));
  app.route('/', analyticsRoutes(deps));
  app.route('/', adjustments(deps));
  app.route('/', periods(deps));
  app.route('/', reconcile(deps));
  app.route('/', auditLog(deps));
  app.route('/', apiKeys(deps));
  app.route('/', shadow(deps));
  if (deps.development && deps.demo !== undefined) app.route('/', demo(deps, deps.demo));

  serveOpenApi(app, deps.version);
  app.route(
    '/',
    staticFiles({
      publicWsUrl: deps.publicWsUrl,
      paymentScriptUrl: deps.payments?.settings.scriptUrl,
      folder: deps.staticFolder,
    }),
  );
  return app;
}

function limitBody(maxSize: number) {
  return bodyLimit({ maxSize, onError: () => tooLarge(maxSize).toResponse() });
}

function crossOrigin(allowedOrigins: readonly string[]) {
  return cors({
    // What a socket that was turned away asks must be readable by the page that was turned away.
    origin(origin, { req: { path } }) {
      // No page has anything to say there.
      if (path === STRIPE_WEBHOOK_PATH) return null;
      return path === CONNECT_PATH || allowedOrigins.includes(origin) ? origin : null;
    },
    allowMethods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
    allowHeaders: ['authorization', 'content-type', 'idempotency-key'],
    exposeHeaders: ['idempotency-replayed', 'retry-after', 'ratelimit', 'ratelimit-policy'],
    maxAge: CORS_MAX_AGE_SECONDS,
  });
}

/** Every error of every route ends here; what was not meant for the caller stays in the log. */
function answerTo(error: unknown, request: HonoRequest, { log }: HttpDeps): Response {
  if (error instanceof ProblemError) return error.toResponse();
  if (error instanceof HTTPException) return fromFramework(error).toResponse();
  if (error instanceof MeterUnreachable) {
    log.warn({ err: error, path: request.path }, 'a request could not ask the meter');
    return new ProblemError('meterUnavailable', METER_UNAVAILABLE).toResponse();
  }
  if (isLedgerUnavailable(error)) {
    log.warn({ err: error, path: request.path }, 'a request could not ask the ledger');
    return new ProblemError('ledgerUnavailable', LEDGER_UNAVAILABLE).toResponse();
  }
  if (isTextNotKept(error)) return new ProblemError('invalid', TEXT_NOT_KEPT).toResponse();
  const id = randomUUID();
  log.error({ err: error, id, method: request.method, path: request.path }, 'a request failed');
  return new ProblemError(
    'unexpected',
    `Something went wrong here that should not. Tell the operator this id: ${id}.`,
    { instance: `urn:uuid:${id}` },
  ).toResponse();
}

const METER_UNAVAILABLE = 'The live meter does not answer at the moment. Try again shortly.';
const LEDGER_UNAVAILABLE =
  'The ledger does not answer at the moment. Try again shortly, with the same Idempotency-Key.';

/** Hono's own refusals, of which it has few. */
function fromFramework(error: HTTPException): ProblemError {
  if (error.status === 413) return tooLarge(MAX_BODY_BYTES);
  if (error.status === 415) {
    return new ProblemError(
      'mediaTypeUnsupported',
      'Send the body as JSON, with the header "Content-Type: application/json".',
    );
  }
  return new ProblemError('invalid', 'The body is not JSON. Send one JSON object.');
}

function tooLarge(maxBytes: number): ProblemError {
  return new ProblemError('bodyTooLarge', `A body may have ${maxBytes} bytes at most.`);
}
