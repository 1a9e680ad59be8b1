// Stands in for your own sign-in: who somebody is, is yours to know, and never the browser's to say.
import { createHmac, timingSafeEqual } from 'node:crypto';

const COOKIE = 'example-session';
const SECRET = process.env.EXAMPLE_SECRET ?? 'a secret of development, known to everybody';

export interface Who {
  org: string;
  user: string;
}

const seal = (text: string) => createHmac('sha256', SECRET).update(text).digest('base64url');

/** A `Set-Cookie` that nobody can make up. */
export function cookieFor(who: Who): string {
  const text = Buffer.from(JSON.stringify(who)).toString('base64url');
  return `${COOKIE}=${text}.${seal(text)}; Path=/; HttpOnly; SameSite=Lax`;
}

export function who(request: Request): Who | null {
  const cookies = request.headers.get('cookie') ?? '';
  const [, text, given] = /example-session=([\w-]+)\.([\w-]+)/.exec(cookies) ?? [];
  if (text === undefined || given === undefined) return null;
  const [expected, got] = [Buffer.from(seal(text)), Buffer.from(given)];
  if (expected.length !== got.length || !timingSafeEqual(expected, got)) return null;
  return JSON.parse(Buffer.from(text, 'base64url').toString());
}
