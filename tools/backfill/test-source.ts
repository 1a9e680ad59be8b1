/** A messy source from a seed, and what has to come of it, reckoned without any of the import's code. */

/** mulberry32: the same numbers for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export interface MessySource {
  csv: string;
  rows: number;
  /** "org user 2026-05" to ms */
  expected: Map<string, number>;
  /** "org session" of sessions that were named to ms */
  sessions: Map<string, number>;
  /** rows that can't be taken, by why */
  bad: Map<string, number>;
}

const MINUTE = 60_000;

/** As one of the ways in which a column of times may be written. */
function timeText(at: number, random: () => number): string {
  const iso = new Date(at).toISOString();
  const plain = iso.slice(0, 19).replace('T', ' ');
  const hours = Math.floor(random() * 11) - 5;
  const there = new Date(at + hours * 3_600_000).toISOString().slice(0, 19);
  const offset = `${hours < 0 ? '-' : '+'}${String(Math.abs(hours)).padStart(2, '0')}`;
  const ways = [iso, plain, `${plain}+00`, `${there}${offset}:00`, `${there}${offset}`, String(at)];
  return ways[Math.floor(random() * ways.length)]!;
}

/**
 * @param orgs to choose from, the first being one without a column where `org` is missing
 * @param until no row lies after it; from two months before it on
 */
export function messySource(
  seed: number,
  { orgs, until, sessions = 30 }: { orgs: string[]; until: number; sessions?: number },
): MessySource {
  const random = randomOf(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const expected = new Map<string, number>();
  const named = new Map<string, number>();
  const bad = new Map<string, number>();
  const lines: string[] = [];
  const add = (to: Map<string, number>, key: string, ms: number) =>
    to.set(key, (to.get(key) ?? 0) + ms);
  const cellsOf = (org: string, user: string, session: string, at: string, seconds: string) =>
    [org, user, session, at, seconds].map((it) => (random() < 0.1 ? `"${it}"` : it)).join(',');

  for (let i = 0; i < sessions; i++) {
    const org = pick(orgs);
    const user = `user-${Math.floor(random() * 3)}`;
    const isNamed = random() < 0.8;
    const session = isNamed ? `s-${seed}-${i}` : '';
    const start = until - Math.floor(random() * 60 * 24 * 60) * MINUTE - 400 * MINUTE;
    const minutes = 1 + Math.floor(random() * 40);
    for (let minute = 0; minute < minutes; minute++) {
      // Gaps: a pause has no rows.
      if (random() < 0.05) continue;
      const at = start + minute * MINUTE + (isNamed ? 0 : i * 1000);
      const ms = random() < 0.7 ? MINUTE : 1 + Math.floor(random() * MINUTE);
      const seconds = (ms / 1000).toString();
      lines.push(cellsOf(org, user, session, timeText(at, random), seconds));
      const month = new Date(at).toISOString().slice(0, 7);
      add(expected, `${org} ${user} ${month}`, ms);
      if (isNamed) add(named, `${org} ${session}`, ms);
      // Twice, or once more with less: the larger figure counts.
      if (random() < 0.05) lines.push(cellsOf(org, user, session, timeText(at, random), seconds));
      if (random() < 0.05) lines.push(cellsOf(org, user, session, timeText(at, random), '0.001'));
      if (random() < 0.02) {
        lines.push(cellsOf(org, user, session, timeText(at + 17_000, random), '75.5'));
        add(expected, `${org} ${user} ${month}`, MINUTE);
        if (isNamed) add(named, `${org} ${session}`, MINUTE);
      }
    }
  }
  const time = new Date(until - 5 * 24 * 60 * MINUTE).toISOString();
  const spoil = (kind: string, line: string) => {
    lines.push(line);
    add(bad, kind, 1);
  };
  for (let i = 0; i < 3; i++) {
    spoil('noTime', `${orgs[0]},user-0,bad-${i},yesterday,60`);
    spoil('noTime', `${orgs[0]},user-0,bad-${i},2026-02-31 10:00:0${i},60`);
    spoil('noOrganization', `,user-0,bad-${i},${time},60`);
    spoil('unknownOrganization', `nowhere,user-0,bad-${i},${time},60`);
    spoil('noUser', `${orgs[0]},,bad-${i},${time},60`);
    spoil('badId', `${orgs[0]},a user,bad-${i},${time},60`);
    spoil('badNumber', `${orgs[0]},user-0,bad-${i},${time},many`);
    spoil('badNumber', `${orgs[0]},user-0,bad-${i},${time},`);
    spoil('negative', `${orgs[0]},user-0,bad-${i},${time},-5`);
    spoil('empty', `${orgs[0]},user-0,bad-${i},${time},0`);
    spoil('future', `${orgs[0]},user-0,bad-${i},${new Date(until + 9e8).toISOString()},60`);
    spoil('malformed', `${orgs[0]},user-0,bad-${i}`);
    spoil('malformed', `${orgs[0]},"user-0,bad-${i},${time},60`);
  }
  for (let i = lines.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [lines[i], lines[j]] = [lines[j]!, lines[i]!];
  }
  const end = random() < 0.5 ? '\r\n' : '\n';
  const header = 'organization_id,userId,Session ID,minute_timestamp,seconds';
  const body = lines.flatMap((line) => (random() < 0.02 ? ['', line] : [line]));
  const csv = `${random() < 0.5 ? '\uFEFF' : ''}${[header, ...body].join(end)}${end}`;
  return { csv, rows: lines.length, expected, sessions: named, bad };
}
