/** Reports as CSV, for spreadsheets and invoices: a header that says zone and units, then rows. */
import { createRoute, z } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import { Temporal } from 'temporal-polyfill';
import { billedMs, type RoundTo } from '../../../core/billing/billed-time.ts';
import { organizations } from '../../../drizzle/schema/organizations.ts';
import { plans } from '../../../drizzle/schema/plans.ts';
import type { HttpDeps } from '../deps.ts';
import { backendOrTicketSecurity } from '../openapi.ts';
import { requireMember, requireOrganization } from '../principal.ts';
import { problemResponses } from '../problem.ts';
import { newRouter } from '../router.ts';
import { idSchema, orgParams } from '../schemas.ts';
import { type Cell, csvLine, streamOf } from './csv.ts';
import { hoursOfMs, rangeQuery, readRange } from './range.ts';
import { REPORT_KINDS, type ReportKind, type ReportRow, reportPages } from './report-rows.ts';
import { withStates } from './report-states.ts';

const DEFAULT_DAYS = 30;
/** Ten years: a report is streamed, so what bounds it is patience. */
const MAX_DAYS = 3_660;
const MS_PER_MINUTE = 60_000;
/** Below a millisecond of an hour. */
const DECIMALS = 7;

const reportRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/usage/report',
  tags: ['usage'],
  summary: 'A report as CSV',
  description:
    'RFC 4180, UTF-8, streamed. A cell that begins like a formula has an apostrophe before it. ' +
    '`state` is one of those of a session. ' +
    '`billed` is what was charged, rounded up once a row to the second or minute, as the plan says. ' +
    'A ticket gets the rows of its own member.',
  security: backendOrTicketSecurity,
  request: {
    params: orgParams,
    query: rangeQuery.extend({
      by: z
        .enum(REPORT_KINDS)
        .default('day')
        .openapi({
          description:
            'A row for each session that began in the range; for each member and day; for each member; ' +
            'or for each member and billing period that the range touches.',
        }),
      user: idSchema('ann').optional(),
    }),
  },
  responses: {
    200: {
      content: { 'text/csv': { schema: z.string() } },
      description: 'The report. One that breaks off is not whole: ask again.',
    },
    ...problemResponses('organizationUnknown'),
  },
});

export function usageReport(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(reportRoute, async (c) => {
    const { org } = c.req.valid('param');
    const { by, user: asked, ...days } = c.req.valid('query');
    const principal = c.get('principal');
    if (asked === undefined) requireOrganization(principal, org);
    else requireMember(principal, org, asked);
    const user = principal.kind === 'ticket' ? principal.claims.user : (asked ?? null);
    const db = deps.db.of(org);
    const range = await readRange(db, org, days, {
      ...{ now: deps.meterNow(), defaultDays: DEFAULT_DAYS, maxDays: MAX_DAYS },
    });
    const [plan] = await db
      .select({ roundTo: plans.roundTo })
      .from(organizations)
      .innerJoin(plans, eq(plans.id, organizations.plan))
      .where(eq(organizations.id, org));
    const pages = reportPages(db, by, { org, user, range });
    // The first page before the answer: what is wrong is then a problem, not half a report.
    const first = await pages.next();
    const shape: Shape = { by, timeZone: range.timeZone, roundTo: plan!.roundTo };
    async function* parts(): AsyncGenerator<string> {
      yield csvLine(headerOf(shape));
      for (let page = first; !page.done; page = await pages.next()) {
        const rows = await withStates(deps, org, page.value);
        yield rows.map((row) => csvLine(cellsOf(row, shape))).join('');
      }
    }
    const body = streamOf(parts(), (error) => {
      deps.log.error({ err: error, org, by }, 'a report broke off');
    });
    const name = `usage-${org}-by-${by}-${range.from}-to-${range.to}.csv`.replaceAll(':', '_');
    return c.body(body, 200, {
      'content-type': 'text/csv; charset=utf-8; header=present',
      'content-disposition': `attachment; filename="${name}"`,
    });
  });
  return app;
}

interface Shape {
  by: ReportKind;
  timeZone: string;
  roundTo: RoundTo;
}

function headerOf({ by, timeZone, roundTo }: Shape): Cell[] {
  const at = (what: string) => `${what} (${timeZone})`;
  const keys: Record<ReportKind, Cell[]> = {
    session: [
      'session',
      'member',
      at('started'),
      at('ended'),
      'state',
      'reason',
      'recorded (minutes)',
    ],
    day: [at('day'), 'member'],
    member: ['member'],
    month: [at('period from'), at('period to'), 'member'],
  };
  return [
    ...keys[by],
    ...['charged (minutes)', 'charged (hours)', 'plan (minutes)', 'extra (minutes)'],
    ...['overage (minutes)', `billed (minutes, rounded up to the ${roundTo})`],
  ];
}

function cellsOf(row: ReportRow, { by, timeZone, roundTo }: Shape): Cell[] {
  const local = (at: number | null) => (at === null ? null : localInstant(at, timeZone));
  const [from, to] = [local(row.startsAt), local(row.endsAt)];
  const keys: Record<ReportKind, () => Cell[]> = {
    session: () => [row.of, row.user, from, to, row.state, row.reason, minutes(row.recordedMs!)],
    day: () => [row.of, row.user],
    member: () => [row.user],
    month: () => [from, to, row.user],
  };
  const { planMs, extraMs, overageMs } = row;
  const chargedMs = planMs + extraMs + overageMs;
  return [
    ...keys[by](),
    ...[minutes(chargedMs), rounded(hoursOfMs(chargedMs))],
    ...[planMs, extraMs, overageMs, billedMs(chargedMs, roundTo)].map(minutes),
  ];
}

const rounded = (value: number) => Number(value.toFixed(DECIMALS));
const minutes = (ms: number) => rounded(ms / MS_PER_MINUTE);

/** With its offset, so that the hour that comes twice in autumn is told apart. */
function localInstant(at: number, timeZone: string): string {
  return Temporal.Instant.fromEpochMilliseconds(at)
    .toZonedDateTimeISO(timeZone)
    .toString({ timeZoneName: 'never', smallestUnit: 'millisecond' });
}
