/**
 * The recorder page and the modules it loads, as built. Only two folders of the build are ever
 * read, only files of known types, and nothing outside them whatever the path says.
 */
import { createHash } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import { basename, extname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Hono } from 'hono';
import { ProblemError } from './problem.ts';

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
};
/** What the page consists of: the client library and the one folder of core it imports. */
const FOLDERS = ['client', 'core/protocol'] as const;
const INDEX = 'client/demo/index.html';

/** The build, whether this module runs from it or from source. */
function buildFolder(): string {
  const above = fileURLToPath(new URL('../..', import.meta.url));
  return basename(above) === 'dist' ? above : join(above, 'dist');
}

export interface StaticOptions {
  /** Where the sockets are: the page may connect there and nowhere else. */
  publicWsUrl(): string;
  /** Of Stripe.js, where payments are on; left out or null: nothing but this page runs in it. */
  paymentScriptUrl?: string | null | undefined;
  /** Default: the build of this project. */
  folder?: string | undefined;
}

export function staticFiles(options: StaticOptions): Hono {
  const { publicWsUrl, paymentScriptUrl = null, folder = buildFolder() } = options;
  const app = new Hono();

  async function answer(path: string, ifNoneMatch: string | undefined): Promise<Response> {
    const content = await readInside(folder, path);
    if (content === undefined) throw notFound(path);
    // Changes with every build, and a page of one build must not load modules of another.
    const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
    const common = {
      ...pageHeaders(publicWsUrl(), paymentScriptUrl),
      etag,
      'cache-control': 'no-cache',
    };
    if (ifNoneMatch === etag) return new Response(null, { status: 304, headers: common });
    const contentType = CONTENT_TYPES[extname(path)]!;
    return new Response(new Uint8Array(content), {
      headers: { ...common, 'content-type': contentType },
    });
  }

  app.get('/', (c) => answer(INDEX, c.req.header('if-none-match')));
  for (const name of FOLDERS) {
    app.get(`/${name}/*`, (c) => answer(c.req.path.slice(1), c.req.header('if-none-match')));
  }
  return app;
}

function notFound(path: string): ProblemError {
  return new ProblemError(
    'routeUnknown',
    path === INDEX
      ? 'The recorder page is not built. Run `npm run build`, then reload.'
      : `There is no file at /${path}.`,
  );
}

/** Undefined for what is not there, of another type, or not inside. */
async function readInside(folder: string, path: string): Promise<Buffer | undefined> {
  if (!Object.hasOwn(CONTENT_TYPES, extname(path))) return undefined;
  // Names of a build need no escapes; what has any is after something else.
  if (/[%\\\0]|(^|\/)\.\.?(\/|$)|\/\//.test(path)) return undefined;
  try {
    const within = FOLDERS.find((name) => path.startsWith(`${name}/`));
    if (within === undefined) return undefined;
    const [root, file] = await Promise.all([
      realpath(join(folder, within)),
      // Follows links, so that one that leads out is seen.
      realpath(join(folder, path)),
    ]);
    return file.startsWith(root + sep) ? await readFile(file) : undefined;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR' || code === 'ENAMETOOLONG') {
      return undefined;
    }
    throw error;
  }
}

/** What Stripe.js needs beside the place it comes from: docs/purchase-dialog.md. */
const STRIPE_JS = 'https://js.stripe.com';
const STRIPE_SCRIPTS = ' https://js.stripe.com https://*.js.stripe.com';
const STRIPE_FRAMES = `${STRIPE_SCRIPTS} https://hooks.stripe.com`;
const STRIPE_CONNECTIONS = ' https://api.stripe.com';

/** Additions to script-src, frame-src and connect-src; each begins with a blank, or is empty. */
function paymentSources(scriptUrl: string | null): [string, string, string] {
  if (scriptUrl === null) return ['', '', ''];
  const { origin } = new URL(scriptUrl);
  if (origin === STRIPE_JS) return [STRIPE_SCRIPTS, STRIPE_FRAMES, STRIPE_CONNECTIONS];
  // A stand-in for tests: all that it is comes from one place.
  return [` ${origin}`, ` ${origin}`, ` ${origin}`];
}

function pageHeaders(publicWsUrl: string, scriptUrl: string | null): Record<string, string> {
  const [scripts, frames, connections] = paymentSources(scriptUrl);
  const policy = [
    "default-src 'none'",
    `script-src 'self'${scripts}`,
    ...(frames === '' ? [] : [`frame-src${frames}`]),
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    // Recordings are played from memory.
    "media-src 'self' blob:",
    `connect-src 'self' ${new URL(publicWsUrl).origin}${connections}`,
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    'content-security-policy': policy.join('; '),
    'permissions-policy': 'microphone=(self)',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    // Some ways to pay open a window of their own, and must hear from it.
    'cross-origin-opener-policy': scriptUrl === null ? 'same-origin' : 'same-origin-allow-popups',
  };
}
