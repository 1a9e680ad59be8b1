import { censorText } from './log.ts';
import { messageShown } from './log-error.ts';

/** Postgres does not let this role in. */
const LOGIN_REFUSED = new Set(['28P01', '28000']);
const NO_ANSWER = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'CONNECT_TIMEOUT']);

function codeOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as Error & { code?: unknown };
    if (typeof code === 'string') return code;
  }
  return undefined;
}

/** Why a process could not start, in a sentence for a person, without secrets. */
export function startTrouble(error: unknown): string {
  const code = codeOf(error) ?? '';
  const message = messageShown(error);
  if (LOGIN_REFUSED.has(code)) {
    return censorText(
      `Postgres refuses the login: ${message}. Set role and password in DATABASE_URL.`,
    );
  }
  if (NO_ANSWER.has(code)) {
    return censorText(`Postgres does not answer (${code}): is it running where DATABASE_URL says?`);
  }
  return censorText(message);
}
