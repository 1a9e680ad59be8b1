import { hostname, userInfo } from 'node:os';

/** Who works here by hand, as the audit log names it: `doctor:ann@machine`. */
export function actorOf(command: string): string {
  try {
    return `${command}:${userInfo().username}@${hostname()}`;
  } catch {
    // A user without a name, as in some containers.
    return `${command}@${hostname()}`;
  }
}
