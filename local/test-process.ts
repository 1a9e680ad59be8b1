import { processIdentity } from './process-identity.mjs';

/** Whether it runs; one that has ended and is yet to be reaped does not. */
export const isAlive = (pid: number): boolean => processIdentity(pid) !== null;
