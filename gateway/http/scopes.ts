/**
 * What an API key must be allowed to do for each route. Held in one place for all routes, before any
 * handler runs: a route that is added has its scope by its method and area, and one that nobody
 * described is closed to keys with a list of scopes.
 */
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { API_KEY_SCOPES, type ApiKeyScope } from '../../core/runtime/api-key.ts';
import type { Principal } from './principal.ts';
import { ProblemError } from './problem.ts';
import type { HttpEnv } from './router.ts';

/** Of what writes, by area; what is not named is set-up: `write`. */
const WRITING: Readonly<Record<string, ApiKeyScope>> = {
  tickets: 'sessions',
  sessions: 'sessions',
  features: 'sessions',
  'other usage': 'sessions',
  adjustments: 'adjust',
  'extra minutes': 'adjust',
  purchases: 'adjust',
  periods: 'adjust',
};
/** Asks, though by POST. */
const ASKING = /\/check$/;

export function scopeOf(method: string, path: string, area: string | undefined): ApiKeyScope {
  if (area === 'API keys') return 'keys';
  const isReading = ['get', 'head'].includes(method.toLowerCase()) || ASKING.test(path);
  return isReading ? 'read' : (WRITING[area ?? ''] ?? 'write');
}

/** The scope of each route of `app` that is described, by `METHOD /path/:of`. */
function scopesOf(app: OpenAPIHono<HttpEnv>): Map<string, ApiKeyScope> {
  const scopes = new Map<string, ApiKeyScope>();
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type !== 'route') continue;
    const { method, path, tags } = definition.route;
    const name = `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`;
    scopes.set(name, scopeOf(method, path, tags?.[0]));
  }
  return scopes;
}

/** @throws ProblemError `notAllowed` */
function requireScope(principal: Principal, scope: ApiKeyScope | undefined): void {
  if (principal.kind === 'ticket' || principal.scopes === null) return;
  if (scope !== undefined && principal.scopes.includes(scope)) return;
  const has = principal.scopes.length === 0 ? 'none' : principal.scopes.join(', ');
  throw new ProblemError(
    'notAllowed',
    scope === undefined
      ? 'This needs an API key that may do everything.'
      : `This needs an API key with the scope "${scope}" (${API_KEY_SCOPES[scope]}). This one has: ${has}.`,
  );
}

/** Runs after `authenticate`; looks at the routes of `app` when the first request comes. */
export function holdScopes(app: OpenAPIHono<HttpEnv>): MiddlewareHandler<HttpEnv> {
  let scopes: Map<string, ApiKeyScope> | undefined;
  return async (c, next) => {
    const principal = c.get('principal');
    if (principal.kind === 'key' && principal.scopes !== null) {
      scopes ??= scopesOf(app);
      const route = matchedRoutes(c).findLast(({ method }) => method !== 'ALL');
      // Nothing there: 404 and 405 tell nobody anything.
      if (route) requireScope(principal, scopes.get(`${route.method} ${route.path}`));
    }
    await next();
  };
}
