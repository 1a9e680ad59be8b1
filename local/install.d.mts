/** One sentence for a Node that is too old, or null. `version` is like "20.19.0". */
export function nodeTooOld(version: string): string | null;
/** Why node_modules is not what package-lock.json says, or null when it is. */
export function staleReason(root: string): string | null;
/** Runs `npm ci`. Returns one sentence when it failed, null when it did not. */
export function installLocked(root: string): string | null;
/** Makes the symbolic links the Postgres package ships without. */
export function hydrateSymlinks(root: string): void;
