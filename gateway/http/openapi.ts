/** The OpenAPI 3.1 document, made from the very schemas that check requests, and its pages. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { docsPage } from './docs.ts';
import type { HttpEnv } from './router.ts';
import { scopeOf } from './scopes.ts';

export const AREAS = {
  plans: 'What organizations subscribe to: quotas, limits, features, what happens at the limit.',
  organizations: 'The accounts that pay, and their members.',
  tickets: 'What lets a recorder in.',
  usage: 'What is used and what remains, now.',
  check: 'Whether a recording could start, and what would help if not.',
  features: 'Counted by the piece: checked and counted in one step, and given back.',
  'other usage': 'Tokens, bytes, money: recorded, summed up, and held below a daily ceiling.',
  sessions: 'Metered recordings, each with its minutes by source and lot.',
  'extra minutes': 'Prepaid minutes: balance, lots, packages.',
  adjustments: 'Minutes given or taken by hand, each with its reason.',
  'API keys': 'What lets the backend of the app in, and what each key may do.',
  periods: 'Billing months: which there are, closing one by hand, and repair.',
  demo: 'In development only: the backend of the recorder page.',
  operations: 'Health, and why connections are turned away.',
} as const;
export type Area = keyof typeof AREAS;

export const backendSecurity = [{ apiKey: [] }];
export const backendOrTicketSecurity = [{ apiKey: [] }, { ticket: [] }];

const DESCRIPTION =
  `JSON, camelCase. Durations are integer milliseconds (\`…Ms\`), instants ISO 8601
with offset. Errors are RFC 9457 problem documents with a stable \`code\`. Lists are paged by cursor.
Writes take an \`Idempotency-Key\`: the same key and body get the same answer, and a concurrent
duplicate waits for the first.`.replaceAll('\n', ' ');

interface Operation {
  operationId?: string;
  tags?: string[];
  security?: Record<string, string[]>[] | undefined;
}

/** `GET /v1/orgs/{org}/usage` is `getOrgUsage`: what generated clients call it. */
function operationId(method: string, path: string): string {
  const parts = path.replace(/^\/v1/, '').split('/').filter(Boolean);
  const words = parts.flatMap((part, index) => {
    // `orgs/{org}` is one thing, `orgs` alone are many.
    if (part.startsWith('{')) return [];
    return parts[index + 1]?.startsWith('{') ? part.replace(/s$/, '') : part;
  });
  const name = words.join('-').replace(/-+([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return `${method}${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

function openApiDocument(app: OpenAPIHono<HttpEnv>, version: string) {
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Taximeter',
      version,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
  });
  const used = new Set<string>();
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(item as Record<string, Operation>)) {
      operation.operationId = operationId(method, path);
      // For bearer credentials the list names what they must be allowed to do.
      operation.security = operation.security?.map((one) =>
        'apiKey' in one ? { apiKey: [scopeOf(method, path, operation.tags?.[0])] } : one,
      );
      for (const tag of operation.tags ?? []) used.add(tag);
    }
  }
  document.tags = Object.entries(AREAS)
    .filter(([name]) => used.has(name))
    .map(([name, description]) => ({ name, description }));
  return document;
}

/** Serves `/openapi.json` and `/docs`. Call it when every route is there. */
export function serveOpenApi(app: OpenAPIHono<HttpEnv>, version: string): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    description:
      'An API key of this installation, for the backend of the app. What each call needs of its ' +
      'scopes stands beside it.',
  });
  app.openAPIRegistry.registerComponent('securitySchemes', 'ticket', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'A ticket, for a browser: sees only its own member and organization.',
  });
  const document = openApiDocument(app, version);
  const page = docsPage(document);
  // As text: to write it anew takes longer than anything else that anybody may ask for.
  const text = JSON.stringify(document);
  app.get('/openapi.json', (c) => c.body(text, 200, { 'content-type': 'application/json' }));
  app.get('/docs', (c) => c.html(page.html, 200, page.headers));
}
