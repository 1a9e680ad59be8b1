/** `/docs`: the OpenAPI document as a page to read. Rendered here, loads nothing, runs no script. */
import { createHash } from 'node:crypto';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { PROBLEM_CODES, PROBLEMS } from './problem-codes.ts';

type OpenApiDocument = ReturnType<OpenAPIHono['getOpenAPI31Document']>;

/** As much of JSON Schema as zod generates. */
interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema | boolean;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
}
interface Operation {
  tags?: string[];
  summary?: string;
  description?: string;
  security?: Record<string, unknown>[];
  parameters?: {
    name: string;
    in: string;
    required?: boolean;
    description?: string;
    schema?: Schema;
  }[];
  requestBody?: { content?: Record<string, { schema?: Schema }> };
  responses?: Record<
    string,
    { description?: string; content?: Record<string, { schema?: Schema }> }
  >;
}

const STYLE = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 6rem; }
code, .path { font: 0.9em/1.5 ui-monospace, monospace; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
nav { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; }
details { border: 1px solid var(--line); border-radius: 0.5rem; margin: 0.75rem 0; padding: 0.5rem 0.9rem; }
h4 { margin: 1rem 0 0.25rem; }
p { margin: 0.5rem 0; }
summary { cursor: pointer; }
summary b { display: inline-block; min-width: 4rem; }
summary span { opacity: 0.75; }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0; }
td, th { text-align: left; vertical-align: top; padding: 0.2rem 0.8rem 0.2rem 0; border-top: 1px solid var(--line); }
`;

const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ESCAPES[character]!);
}
/** Descriptions are plain text with `code` in it. */
function prose(text = ''): string {
  return escaped(text).replace(/`([^`]+)`/g, '<code>$1</code>');
}
function anchor(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]+/g, '-');
}

function typeOf(schema: Schema | undefined): string {
  if (schema === undefined) return '';
  if (schema.$ref !== undefined) {
    const name = escaped(schema.$ref.split('/').at(-1)!);
    return `<a href="#schema-${name}">${name}</a>`;
  }
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (choices !== undefined) return choices.map(typeOf).join(' or ');
  if (schema.enum !== undefined)
    return schema.enum.map((one) => escaped(JSON.stringify(one))).join(' | ');
  if (schema.const !== undefined) return escaped(JSON.stringify(schema.const));
  if (schema.items !== undefined) return `list of ${typeOf(schema.items)}`;
  if (typeof schema.additionalProperties === 'object') {
    return `object of ${typeOf(schema.additionalProperties)}`;
  }
  return escaped(
    [schema.type ?? 'any'].flat().join(' or ') + (schema.format ? ` (${schema.format})` : ''),
  );
}

function rangeOf(schema: Schema): string {
  const parts = [
    schema.minimum === undefined ? '' : `from ${schema.minimum}`,
    schema.maximum === undefined ? '' : `to ${schema.maximum}`,
    schema.default === undefined ? '' : `default ${JSON.stringify(schema.default)}`,
  ];
  return escaped(parts.filter(Boolean).join(' '));
}

function fields(schema: Schema | undefined, depth = 0): string {
  const properties = schema?.properties ?? schema?.items?.properties;
  if (properties === undefined) return depth === 0 ? `<p><code>${typeOf(schema)}</code></p>` : '';
  const required = new Set(schema?.required ?? schema?.items?.required);
  const rows = Object.entries(properties).map(([name, field]) => {
    const needed = required.has(name) ? '' : ' <small>optional</small>';
    const inner = field.$ref === undefined && depth < 3 ? fields(field, depth + 1) : '';
    return `<tr><td><code>${escaped(name)}</code>${needed}</td><td><code>${typeOf(field)}</code> ${rangeOf(field)}</td><td>${prose(field.description)}${inner}</td></tr>`;
  });
  return `<table>${rows.join('')}</table>`;
}

function bodyOf(content: Record<string, { schema?: Schema }> | undefined): string {
  return Object.values(content ?? {})
    .map(({ schema }) => fields(schema))
    .join('');
}

function operationOf(method: string, path: string, operation: Operation): string {
  const keys = operation.security?.flatMap((one) => Object.keys(one)) ?? [];
  const parameters = (operation.parameters ?? []).map(
    (one) =>
      `<tr><td><code>${escaped(one.name)}</code> <small>${one.in}${one.required ? '' : ', optional'}</small></td><td><code>${typeOf(one.schema)}</code></td><td>${prose(one.description ?? one.schema?.description)}</td></tr>`,
  );
  const answers = Object.entries(operation.responses ?? {});
  const good = answers.map(([status, response]) =>
    status < '300'
      ? `<h4>${status} <small>${prose(response.description)}</small></h4>${bodyOf(response.content)}`
      : '',
  );
  const bad = answers.map(([status, response]) =>
    status < '300' ? '' : `<tr><td>${status}</td><td>${prose(response.description)}</td></tr>`,
  );
  return `<details><summary><b>${method.toUpperCase()}</b> <span class="path">${escaped(path)}</span> — ${prose(operation.summary)}</summary>
<p>${prose(operation.description)}</p><p>Credentials: ${keys.length === 0 ? 'none' : keys.map(escaped).join(' or ')}.</p>
${parameters.length === 0 ? '' : `<h4>Parameters</h4><table>${parameters.join('')}</table>`}
${operation.requestBody === undefined ? '' : `<h4>Body</h4>${bodyOf(operation.requestBody.content)}`}
${good.join('')}<table>${bad.join('')}</table></details>`;
}

function sectionOf(document: OpenApiDocument, tag: { name: string; description?: string }): string {
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, Operation>)
      .filter(([, operation]) => operation.tags?.includes(tag.name))
      .map(([method, operation]) => operationOf(method, path, operation)),
  );
  return `<h2 id="${anchor(tag.name)}">${escaped(tag.name)}</h2><p>${prose(tag.description)}</p>${operations.join('')}`;
}

export function docsPage(document: OpenApiDocument): {
  html: string;
  headers: Record<string, string>;
} {
  const tags = document.tags ?? [];
  const schemas = Object.entries((document.components?.schemas ?? {}) as Record<string, Schema>);
  const { title, version, description } = document.info;
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)} API</title><style>${STYLE}</style></head><body>
<h1>${escaped(title)} API <small>${escaped(version)}</small></h1><p>${prose(description)}</p>
<p>As a document for programs: <a href="/openapi.json"><code>/openapi.json</code></a>.</p>
<nav>${[...tags.map(({ name }) => name), 'schemas', 'problems'].map((name) => `<a href="#${anchor(name)}">${escaped(name)}</a>`).join('')}</nav>
${tags.map((tag) => sectionOf(document, tag)).join('')}
<h2 id="schemas">schemas</h2>
${schemas.map(([name, schema]) => `<h3 id="schema-${escaped(name)}">${escaped(name)}</h3><p>${prose(schema.description)}</p>${fields(schema)}`).join('')}
<h2 id="problems">problems</h2>
<table>${PROBLEM_CODES.map((code) => `<tr id="problem-${code}"><td><code>${code}</code></td><td>${PROBLEMS[code][0]}</td><td>${escaped(PROBLEMS[code][1])}</td></tr>`).join('')}</table>
</body></html>`;
  return {
    html,
    headers: { 'content-security-policy': POLICY, 'x-content-type-options': 'nosniff' },
  };
}
