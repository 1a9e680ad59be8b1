/** Whether this build of the product has a transport on uWebSockets.js to start. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** null: it has; it may still fail to load what it needs, and says so itself. */
export function uwsReason(): string | null {
  const extension = import.meta.url.endsWith('.js') ? 'js' : 'ts';
  const file = new URL(`../../../gateway/transport/uws.${extension}`, import.meta.url);
  if (existsSync(fileURLToPath(file))) return null;
  return 'this build has no transport on uWebSockets.js';
}
