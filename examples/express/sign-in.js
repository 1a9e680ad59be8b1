// Stands in for your own sign-in: who somebody is, is yours to know, and never the browser's to say.
import { randomUUID } from 'node:crypto';

const COOKIE = 'example-session';

export function createSignIn() {
  /** In memory: after a restart everybody signs up again. */
  const sessions = new Map();
  return {
    /** `{ org, user }` of a request, or null. */
    who(request) {
      const cookies = new URLSearchParams((request.get('cookie') ?? '').replaceAll('; ', '&'));
      return sessions.get(cookies.get(COOKIE)) ?? null;
    },
    let(who, response) {
      const id = randomUUID();
      sessions.set(id, who);
      response.cookie(COOKIE, id, { httpOnly: true, sameSite: 'lax' });
    },
  };
}
