/**
 * The instant process `pid` started, as text only comparable with itself, or null when there is no
 * such process.
 */
export function processIdentity(pid: number): string | null;
