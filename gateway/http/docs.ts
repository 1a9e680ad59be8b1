/** `/docs`: the OpenAPI document as a page to read. Rendered here, loads nothing, runs no script. */
import { createHash } from 'node:crypto';
import { escaped, fields, prose, typeOf } from './docs-schema.ts';
import { STYLE } from './docs-style.ts';
import type { ApiDocument, Operation } from './openapi-document.ts';
import type { JsonSchema } from './openapi-example.ts';
import { PROBLEM_CODES, PROBLEMS } from './problem-codes.ts';

const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
const EXAMPLE_ID = 'acme';

type Content = NonNullable<Operation['requestBody']>['content'];

const anchor = (text: string) => text.toLowerCase().replace(/[^a-z0-9]+/g, '-');
const methodOf = (method: string) =>
  `<span class="method ${method}">${method.toUpperCase()}</span>`;

function bodyOf(content: Content): string {
  return Object.values(content ?? {})
    .map(({ schema, example }) => `${fields(schema)}${exampleOf(example)}`)
    .join('');
}

function exampleOf(example: unknown): string {
  if (example === undefined || typeof example === 'string') return '';
  const text = JSON.stringify(example, null, 2);
  return `<details><summary>Example</summary><pre>${escaped(text)}</pre></details>`;
}

/** As it is typed into a terminal; the host and the key are the reader's. */
function curlOf(method: string, path: string, operation: Operation): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const one = operation.parameters?.find((it) => it.name === name && it.in === 'path');
    return String(one?.schema?.example ?? EXAMPLE_ID);
  });
  const body = operation.requestBody?.content?.['application/json']?.example;
  const lines = [
    `curl ${method === 'get' ? '' : `-X ${method.toUpperCase()} `}"$TAXIMETER${filled}"`,
    ...(operation.security?.length ? ['  -H "Authorization: Bearer $KEY"'] : []),
    ...(body === undefined
      ? []
      : [`  -H 'Content-Type: application/json'`, `  -d '${JSON.stringify(body)}'`]),
  ];
  return `<pre>${escaped(lines.join(' \\\n'))}</pre>`;
}

/** `apiKey` with the scope it needs, a ticket, or none. */
function credentialsOf({ security = [] }: Operation): string {
  const kinds = security.flatMap((one) =>
    Object.entries(one).map(([kind, scopes]) =>
      kind === 'apiKey' ? `an API key that may <code>${scopes.join(' ')}</code>` : `a ${kind}`,
    ),
  );
  return kinds.length === 0 ? 'none' : kinds.join(', or ');
}

function operationOf(method: string, path: string, operation: Operation): string {
  const { operationId = '', parameters = [], responses = {} } = operation;
  const rows = parameters.map(
    (one) =>
      `<tr><td><code>${escaped(one.name)}</code> <small>${one.in}${one.required ? '' : ', optional'}</small></td><td><code>${typeOf(one.schema)}</code></td><td>${prose(one.description ?? one.schema?.description)}</td></tr>`,
  );
  const answers = Object.entries(responses);
  const good = answers.map(([status, { description, content }]) =>
    status < '300'
      ? `<h4>${status} <small>${prose(description)}</small></h4>${bodyOf(content)}`
      : '',
  );
  const bad = answers.flatMap(([status, { description }]) =>
    status < '300' ? [] : [`<tr><td>${status}</td><td>${linked(prose(description))}</td></tr>`],
  );
  const problems = `<details><summary>Problems</summary><table>${bad.join('')}</table></details>`;
  return `<article id="${operationId}"><h3><a href="#${operationId}">${methodOf(method)} <span class="path">${escaped(path)}</span></a></h3>
<p><b>${prose(operation.summary)}</b></p><p>${prose(operation.description)}</p><p>Credentials: ${credentialsOf(operation)}.</p>
${curlOf(method, path, operation)}
${rows.length === 0 ? '' : `<h4>Parameters</h4><table>${rows.join('')}</table>`}
${operation.requestBody === undefined ? '' : `<h4>Body</h4>${bodyOf(operation.requestBody.content)}`}
${good.join('')}${bad.length === 0 ? '' : problems}</article>`;
}

/** Codes lead to where they are listed. */
function linked(html: string): string {
  return html.replace(/<code>(\w+)<\/code>/g, (all, code: string) =>
    code in PROBLEMS ? `<a href="#problem-${code}">${all}</a>` : all,
  );
}

interface Entry {
  method: string;
  path: string;
  operation: Operation;
}

function entriesOf(document: ApiDocument, tag: string): Entry[] {
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([, operation]) => operation.tags?.includes(tag))
      .map(([method, operation]) => ({ method, path, operation })),
  );
}

function navigationOf(document: ApiDocument, tags: readonly { name: string }[]): string {
  const areas = tags.map(({ name }) => {
    const links = entriesOf(document, name).map(
      ({ method, operation: { operationId, summary } }) =>
        `<a href="#${operationId}">${methodOf(method)} ${prose(summary)}</a>`,
    );
    return `<h2><a href="#${anchor(name)}">${escaped(name)}</a></h2>${links.join('')}`;
  });
  return `${areas.join('')}<h2><a href="#schemas">schemas</a></h2><h2><a href="#problems">problems</a></h2>`;
}

export function docsPage(document: ApiDocument): {
  html: string;
  headers: Record<string, string>;
} {
  const tags = document.tags ?? [];
  const schemas = Object.entries<JsonSchema>(document.components?.schemas ?? {});
  const { title, version, description } = document.info;
  const sections = tags.map(
    (tag) =>
      `<h2 id="${anchor(tag.name)}">${escaped(tag.name)}</h2><p>${prose(tag.description)}</p>${entriesOf(
        document,
        tag.name,
      )
        .map(({ method, path, operation }) => operationOf(method, path, operation))
        .join('')}`,
  );
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)} API</title><style>${STYLE}</style></head><body>
<nav aria-label="Calls">${navigationOf(document, tags)}</nav><main>
<h1>${escaped(title)} API <small>${escaped(version)}</small></h1><p>${prose(description)}</p>
<p>As a document for programs: <a href="/openapi.json"><code>/openapi.json</code></a>.</p>
${sections.join('')}
<h2 id="schemas">schemas</h2>
${schemas.map(([name, schema]) => `<h3 id="schema-${escaped(name)}">${escaped(name)}</h3><p>${prose(schema.description)}</p>${fields(schema)}`).join('')}
<h2 id="problems">problems</h2>
<p>Every error is a problem document with one of these codes. Decide by the code; <code>detail</code> says to a person what happened and what to do.</p>
<table>${PROBLEM_CODES.map((code) => `<tr id="problem-${code}"><td><code>${code}</code></td><td>${PROBLEMS[code][0]}</td><td>${escaped(PROBLEMS[code][1])}</td></tr>`).join('')}</table>
</main></body></html>`;
  return {
    html,
    headers: { 'content-security-policy': POLICY, 'x-content-type-options': 'nosniff' },
  };
}
