// Names a process so that it can't be mistaken for a later one that got the same number.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * The instant process `pid` started, as text only comparable with itself, or null when there is no
 * such process (a zombie, dead but not yet collected, counts as none).
 * @param {number} pid
 * @returns {string | null}
 */
export function processIdentity(pid) {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The second field is the command in parentheses, which may hold spaces and parentheses.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const [state] = fields;
      return state === 'Z' || state === 'X' ? null : `ticks ${fields[19]}`;
    } catch {
      return null;
    }
  }
  try {
    const out = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    const match = /^(\S+)\s+(.*)$/.exec(out);
    return match?.[2] === undefined || match[1]?.startsWith('Z') ? null : match[2];
  } catch {
    return null;
  }
}
