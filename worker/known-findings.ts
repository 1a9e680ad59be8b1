import type { Log } from '../core/runtime/log.ts';
import { type Finding, findingKey } from './ledger/check/finding.ts';

/** Of one replacement; the metric tells how many there are in all. */
const MOST_LOGGED = 20;

export interface KnownFindings {
  /**
   * What was looked at now (`groups`) and what was seen there. What is new is logged with its ids,
   * and so is what is gone; what stays is not told again.
   */
  replace(
    groups: readonly string[],
    found: readonly Finding[],
    groupOf: (it: Finding) => string,
  ): void;
  byCode(): Map<string, number>;
  /** Organizations something is wrong with, those that were looked at longest ago first. */
  orgs(most: number): string[];
  /** of all drifts, without their signs */
  driftMs(): number;
  all(): Finding[];
}

/** What is wrong at present, as far as it has been looked at: an alarm a change, not one a look. */
export function createKnownFindings(log: Log): KnownFindings {
  const groups = new Map<string, Map<string, Finding>>();
  const all = () => [...groups.values()].flatMap((group) => [...group.values()]);

  return {
    all,
    replace(looked, found, groupOf) {
      const before = new Map<string, Finding>();
      for (const name of looked) {
        for (const [key, it] of groups.get(name) ?? []) before.set(key, it);
        groups.delete(name);
      }
      let logged = 0;
      for (const it of found) {
        const group = groups.get(groupOf(it)) ?? new Map<string, Finding>();
        groups.set(groupOf(it), group);
        const key = findingKey(it);
        group.set(key, it);
        if (before.delete(key)) continue;
        logged += 1;
        if (logged > MOST_LOGGED) continue;
        const { code, org, subject, says, figures } = it;
        log.error({ code, org, subject, figures }, `the check found: ${says}`);
      }
      if (logged > MOST_LOGGED) log.error({ found: logged }, 'the check found more than is listed');
      for (const { code, org, subject } of [...before.values()].slice(0, MOST_LOGGED)) {
        log.info({ code, org, subject }, 'what the check had found is gone');
      }
    },
    byCode() {
      const counts = new Map<string, number>();
      for (const { code } of all()) counts.set(code, (counts.get(code) ?? 0) + 1);
      return counts;
    },
    orgs(most) {
      const orgs = new Set<string>();
      for (const group of groups.values()) {
        for (const { org } of group.values()) if (org !== undefined) orgs.add(org);
        if (orgs.size >= most) break;
      }
      return [...orgs].slice(0, most);
    },
    driftMs: () =>
      all()
        .filter((it) => it.code === 'drift')
        .reduce((sum, it) => sum + Math.abs(Number(it.figures.driftMs)), 0),
  };
}
