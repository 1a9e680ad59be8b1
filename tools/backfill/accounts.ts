import type postgres from 'postgres';
import { isTimeZone } from '../../core/calendar/local-day.ts';
import { readAmount } from './amount.ts';
import {
  createReading,
  ID,
  idProblem,
  type ReadOptions,
  type Refusal,
  readable,
  refuse,
} from './reading.ts';
import type { Skips } from './skips.ts';
import type { SourceTable } from './source.ts';

/** Ids that are remembered, to be asked for once only. */
const MOST_REMEMBERED = 200_000;

export interface AccountCounts {
  organizations: number;
  members: number;
}

export interface Accounts {
  counts: AccountCounts;
  importOrganizations(table: SourceTable, read: (rows: number) => void): Promise<void>;
  importMembers(table: SourceTable, read: (rows: number) => void): Promise<void>;
  /** The organization of each row that names one or whose user is in just one; else why not. */
  organizationsOf(rows: readonly { org: string; user: string }[]): Promise<(string | Refusal)[]>;
}

interface NewOrganization {
  id: string;
  name: string;
  plan: string;
  zone: string;
  anchor: number;
  quotaMs: number | null;
}

/** Limits of hand-built systems: nothing or a negative number is none. */
function quotaOf(text: string): number | null | Refusal {
  if (text === '' || text.startsWith('-') || /^(unlimited|null|none)$/i.test(text)) return null;
  const amount = readAmount(text, 'minutes');
  return 'ms' in amount ? amount.ms : refuse('badNumber', amount.problem);
}

/** What is there already is left as it is: an import never changes a plan or a limit. */
export function createAccounts(
  sql: postgres.Sql,
  options: ReadOptions & { isDryRun: boolean },
  skips: Skips,
): Accounts {
  const { isDryRun } = options;
  const counts: AccountCounts = { organizations: 0, members: 0 };
  const known = new Set<string>();
  /** in a dry run: what would be there by now */
  const made = new Set<string>();
  const madeMembers = new Map<string, Set<string>>();

  async function plansOf(names: string[]): Promise<Set<string>> {
    const rows = await sql<{ id: string }[]>`select id from plans where id = any(${names})`;
    return new Set(rows.map((it) => it.id));
  }

  async function learn(orgs: readonly string[]): Promise<void> {
    const asked = [...new Set(orgs)].filter((org) => !known.has(org) && !made.has(org));
    if (asked.length === 0) return;
    if (known.size > MOST_REMEMBERED) known.clear();
    const rows = await sql<{ id: string }[]>`
      select id from organizations where id = any(${asked})`;
    for (const { id } of rows) known.add(id);
  }

  async function make(news: readonly NewOrganization[]): Promise<void> {
    const wanted = news.filter(({ id }) => !known.has(id) && !made.has(id));
    counts.organizations += wanted.length;
    if (isDryRun) {
      for (const { id } of wanted) made.add(id);
      return;
    }
    if (wanted.length === 0) return;
    await sql`
      insert into organizations (id, name, plan, time_zone, anchor_day, quota_ms)
      select id, name, plan, zone, anchor, "quotaMs"
      from json_to_recordset(${JSON.stringify(wanted)}::json) as w (id text, name text, plan text,
        zone text, anchor smallint, "quotaMs" bigint)
      order by id on conflict do nothing`;
    for (const { id } of wanted) known.add(id);
  }

  async function onlyOrganizations(users: readonly string[]): Promise<Map<string, string>> {
    if (users.length === 0) return new Map();
    const rows = await sql<{ user: string; org: string }[]>`
      select user_id as user, org from organization_members
      where user_id = any(${[...new Set(users)]})`;
    const all = new Map<string, Set<string>>();
    for (const { user, org } of rows) all.set(user, (all.get(user) ?? new Set()).add(org));
    for (const user of users) {
      for (const org of madeMembers.get(user) ?? []) {
        all.set(user, (all.get(user) ?? new Set()).add(org));
      }
    }
    return new Map(
      [...all].filter(([, orgs]) => orgs.size === 1).map(([user, [org]]) => [user, org!]),
    );
  }

  return {
    counts,

    async importOrganizations(table, read) {
      const { cell } = createReading('organizations', table, options);
      for await (const rows of readable(table, skips, read)) {
        await learn(rows.map((row) => cell(row, 'id')));
        const plans = await plansOf([
          ...rows.flatMap((row) => [cell(row, 'plan'), cell(row, 'plan').toLowerCase()]),
          options.plan ?? '',
        ]);
        const news = new Map<string, NewOrganization>();
        for (const row of rows) {
          const id = cell(row, 'id');
          const says = cell(row, 'plan');
          const plan = [says, says.toLowerCase(), options.plan ?? ''].find((it) => plans.has(it));
          const zone = cell(row, 'zone') || options.zone;
          const anchor = Number(cell(row, 'anchor') || '1');
          const quotaMs = quotaOf(cell(row, 'minutes'));
          const refusal = ((): Refusal | null => {
            if (!ID.test(id)) return idProblem('organization', id);
            if (known.has(id) || made.has(id)) return refuse('known', '');
            if (news.has(id)) return refuse('duplicate', id);
            if (plan === undefined) return refuse('unknownPlan', `"${says}"`);
            if (!isTimeZone(zone)) return refuse('badZone', `"${zone}"`);
            if (!Number.isInteger(anchor) || anchor < 1 || anchor > 31) {
              return refuse('badNumber', `an anchor day of ${anchor}`);
            }
            return quotaMs !== null && typeof quotaMs !== 'number' ? quotaMs : null;
          })();
          if (refusal !== null) skips.add(table, row, refusal.kind, refusal.says);
          else {
            const name = cell(row, 'name') || id;
            news.set(id, {
              id,
              name,
              plan: plan!,
              zone,
              anchor,
              quotaMs: quotaMs as number | null,
            });
          }
        }
        await make([...news.values()]);
      }
    },

    async importMembers(table, read) {
      const { cell } = createReading('members', table, options);
      for await (const rows of readable(table, skips, read)) {
        await learn(rows.map((row) => cell(row, 'org')));
        const news = new Map<string, object>();
        for (const row of rows) {
          const [org, user] = [cell(row, 'org'), cell(row, 'user')];
          const quotaMs = quotaOf(cell(row, 'minutes'));
          const refusal = ((): Refusal | null => {
            if (user === '') return refuse('noUser', '');
            if (!ID.test(user)) return idProblem('user', user);
            if (!known.has(org) && !made.has(org)) return refuse('unknownOrganization', `"${org}"`);
            return quotaMs !== null && typeof quotaMs !== 'number' ? quotaMs : null;
          })();
          if (refusal !== null) {
            skips.add(table, row, refusal.kind, refusal.says);
            continue;
          }
          const [name, email] = [cell(row, 'name') || null, cell(row, 'email') || null];
          news.set(`${org}|${user}`, { org, user, name, email, quotaMs });
        }
        if (isDryRun) {
          for (const it of news.values() as Iterable<{ org: string; user: string }>) {
            madeMembers.set(it.user, (madeMembers.get(it.user) ?? new Set()).add(it.org));
          }
        }
        counts.members += await writeMembers(sql, [...news.values()], isDryRun);
      }
    },

    async organizationsOf(rows) {
      const nameless = rows.filter(({ org }) => org === '').map(({ user }) => user);
      const only = await onlyOrganizations(nameless);
      const named = rows.map(({ org, user }) => org || (only.get(user) ?? ''));
      await learn(named.filter((org) => org !== ''));
      if (options.plan !== null) {
        const { plan, zone } = options;
        const missing = [...new Set(named)].filter(
          (org) => org !== '' && !known.has(org) && !made.has(org),
        );
        await make(
          missing.map((id) => ({ ...{ id, name: id, plan, zone, anchor: 1 }, quotaMs: null })),
        );
      }
      return named.map((org, i): string | Refusal => {
        if (org === '') return refuse('noOrganization', `user ${rows[i]!.user}`);
        if (known.has(org) || made.has(org)) return org;
        return refuse('unknownOrganization', `"${org}"`);
      });
    },
  };
}

/** Answers how many are new. */
async function writeMembers(sql: postgres.Sql, news: object[], isDryRun: boolean): Promise<number> {
  const wanted = sql`
    json_to_recordset(${JSON.stringify(news)}::json) as w (org text, "user" text, name text,
      email text, "quotaMs" bigint)`;
  if (isDryRun) {
    const [row] = await sql<{ count: number }[]>`
      select count(*) from ${wanted} where not exists (select from organization_members m
        where m.org = w.org and m.user_id = w."user")`;
    return row!.count;
  }
  const written = await sql`
    insert into organization_members (org, user_id, name, email, quota_ms)
    select org, "user", name, email, "quotaMs" from ${wanted} order by org, "user"
    on conflict do nothing`;
  return written.count;
}
