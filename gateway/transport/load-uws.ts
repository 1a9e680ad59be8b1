/**
 * uWebSockets.js is a compiled module that is published on GitHub alone, so it is no dependency of
 * this project: whoever chooses it installs it, and it is loaded only then. (The tests run on a
 * repack that the registry has.)
 */
import type * as Uws from 'uWebSockets.js';

/**
 * Of a request's headers, all together; its own default of 4 KB is less than a browser sends with a
 * few cookies and a long ticket. It reads the variable once, when it is loaded.
 */
export const UWS_HEADERS_VARIABLE = 'UWS_HTTP_MAX_HEADERS_SIZE';
export const MAX_HEADERS_BYTES = 16 * 1024;

/** @throws with what to install, where it is missing or not made for this Node or system */
export async function loadUws(
  load: () => Promise<typeof Uws> = () => import('uWebSockets.js'),
): Promise<typeof Uws> {
  try {
    return await load();
  } catch (error) {
    const { version, platform, arch } = process;
    throw new Error(
      `TRANSPORT=uws needs uWebSockets.js, and it could not be loaded on Node ${version}, ` +
        `${platform} ${arch} (${reasonOf(error)}). It is published on GitHub only: install a release ` +
        'made for this Node, as in "npm install --no-save uNetworking/uWebSockets.js#v20.52.0" ' +
        '(docs/configuration.md says which), or set TRANSPORT=ws.',
      { cause: error },
    );
  }
}

/** Its own message has the platforms first, and what was really wrong in its last line. */
function reasonOf(error: unknown): string {
  const lines = String(error instanceof Error ? error.message : error)
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('Require stack') && !/^- /.test(line));
  return (lines.at(-1) ?? 'no reason given').replace(/^Error: /, '').trim();
}
