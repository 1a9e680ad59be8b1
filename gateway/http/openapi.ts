/** The OpenAPI 3.1 document, made from the very schemas that check requests, and its pages. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { docsPage } from './docs.ts';
import { type ApiDocument, completeDocument } from './openapi-document.ts';
import type { HttpEnv } from './router.ts';

export const AREAS = {
  plans: 'What organizations subscribe to: quotas, limits, features, what happens at the limit.',
  organizations: 'The accounts that pay, and their members.',
  tickets: 'What lets a recorder in.',
  usage: 'What is used and what remains, now.',
  check: 'Whether a recording could start, and what would help if not.',
  features: 'Counted by the piece: checked and counted in one step, and given back.',
  'other usage': 'Tokens, bytes, money: recorded, summed up, and held below a daily ceiling.',
  sessions: 'Metered recordings, each with its minutes by source and lot.',
  'extra minutes': 'Prepaid minutes: balance and lots.',
  packages: 'What extra minutes can be bought for, and how they are paid here.',
  purchases:
    'Extra minutes that are bought: payments, from their beginning to refunds and disputes.',
  analytics: 'How extra minutes sell, and whether payments are as Stripe has them.',
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

function openApiDocument(app: OpenAPIHono<HttpEnv>, version: string): ApiDocument {
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
  // The library's types know every form there is; ours, those that it makes.
  const api = document as unknown as ApiDocument;
  completeDocument(api);
  const operations = Object.values(api.paths ?? {}).flatMap((item) => Object.values(item));
  const used = new Set(operations.flatMap(({ tags = [] }) => tags));
  api.tags = Object.entries(AREAS)
    .filter(([name]) => used.has(name))
    .map(([name, description]) => ({ name, description }));
  return api;
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
