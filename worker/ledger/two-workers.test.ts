/**
 * Sessions that record, purchases that come in, go back and are lent, and two workers that settle and
 * carry out on one shard, all at the same time. Postgres itself looks at every commit whether a lot
 * was used while one before it had minutes left. `RUNS` and `SEED` try others.
 */
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Dice, diceOf } from '../../core/meter/schedule.ts';
import { connect, type DatabaseConnection } from '../../drizzle/client.ts';
import { openLot } from '../../payments/take-fact.ts';
import { deliver } from '../jobs/outbox.ts';
import {
  createTestLedger,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../test-ledger.ts';
import type { LedgerContext } from './settle.ts';
import { createShardSettler, type ShardSettler } from './shard-settler.ts';
import { dispute, PAID, refund, startPayment, takeFacts } from './test-payments.ts';

const RUNS = Number(process.env.RUNS ?? 3);
const SEED = Number(process.env.SEED ?? 61_121);
const STEPS = 30;
const SESSIONS = ['s1', 's2', 's3'];

let ledger: TestLedger;
let admin: postgres.Sql;
const connections: DatabaseConnection[] = [];
const workers: { context: LedgerContext; settler: ShardSettler }[] = [];

beforeAll(async () => {
  ledger = await createTestLedger();
  admin = postgres(ledger.database.adminUrl, {
    ...{ max: 1, onnotice: () => {} },
    connection: { 'taximeter.scope': 'installation' },
  });
  await watchOrder();
  for (let i = 0; i < 2; i++) {
    const connection = connect(ledger.database.url, { scope: 'worker' });
    connections.push(connection);
    const context = { ...ledger.context, db: connection.db, sql: connection.sql };
    const needsRecovery = (shard: number) => {
      throw new Error(`Shard ${shard} is lost, and nobody took it away.`);
    };
    workers.push({ context, settler: createShardSettler({ context, needsRecovery }) });
  }
});
afterAll(async () => {
  await Promise.all(connections.map((it) => it.stop()));
  await admin.end();
  await ledger.stop();
});

/**
 * The order in words of its own, at the end of each transaction that used a lot. A lot that was bought
 * after the transaction looked at the lots may be passed over by that one, so by one at most.
 */
async function watchOrder(): Promise<void> {
  await admin.unsafe(`
    create table test_passed (org text, passed text, used text, by xid8);
    create function test_look() returns trigger language plpgsql as $$
    begin
      insert into test_passed
        select new.org, l.id, new.id, pg_current_xact_id()
        from extra_minutes_purchases l where l.org = new.org and l.id <> new.id
          and l.frozen_at is null and l.expired_at is null
          and l.granted_ms - l.reversed_ms > l.used_ms
          and case
            when (l.held_at is null) <> (new.held_at is null) then l.held_at is null
            when (l.expires_at is null) <> (new.expires_at is null) then l.expires_at is not null
            when l.expires_at <> new.expires_at then l.expires_at < new.expires_at
            when l.purchased_at <> new.purchased_at then l.purchased_at < new.purchased_at
            else l.id collate "C" < new.id collate "C" end;
      insert into test_passed
        select new.org, new.id, 'frozen', pg_current_xact_id() where new.frozen_at is not null;
      return null;
    end $$;
    create constraint trigger test_look after update of used_ms on extra_minutes_purchases
      deferrable initially deferred for each row when (new.used_ms > old.used_ms)
      execute function test_look();
    grant all on test_passed to public`);
}

class Run {
  private readonly acme: TestOrganization;
  private readonly dice: Dice;
  private readonly paid: string[] = [];
  private readonly lent: string[] = [];
  private isLending = false;
  private readonly totals = new Map<string, number>();

  constructor(acme: TestOrganization, dice: Dice) {
    this.acme = acme;
    this.dice = dice;
  }

  async begin(): Promise<void> {
    await this.buy();
    await deliver(ledger.context);
    for (const session of SESSIONS) {
      await this.acme.open(session);
      this.totals.set(session, 0);
    }
  }

  async step(): Promise<void> {
    const ms = 1 + this.dice.below(50_000);
    await ledger.advance(ms);
    const events = [() => this.buy(), () => this.lend(), () => this.giveBack(), () => this.argue()];
    const happens = events.filter(() => this.dice.chance(0.25));
    await Promise.all([
      ...SESSIONS.map((session) => this.beat(session, ms)),
      ...happens.map((event) => event()),
      ...workers.flatMap(({ context, settler }) => [
        settler.sweep(this.acme.shard),
        ...(this.dice.chance(0.5) ? [deliver(context)] : []),
      ]),
    ]);
  }

  private async beat(session: string, ms: number): Promise<void> {
    const total = this.totals.get(session)! + ms;
    this.totals.set(session, total);
    await this.acme.beat(session, total);
  }

  /** Some expire, and so come before others that were bought earlier. */
  private started(): Promise<string> {
    const grantedMs = 1 + this.dice.below(2 * MINUTE_MS);
    const expiresAfterDays = this.dice.pick([null, null, 1, 30]);
    return startPayment(ledger, this.acme, { grantedMs, expiresAfterDays });
  }

  private async buy(): Promise<void> {
    const lent = this.lent.pop();
    const payment = lent ?? (await this.started());
    await takeFacts(ledger, payment, [PAID]);
    if (lent !== undefined) this.isLending = false;
    this.paid.push(payment);
  }

  private async lend(): Promise<void> {
    // One at a time.
    if (this.isLending) return;
    this.isLending = true;
    const grantedMs = MINUTE_MS + this.dice.below(MINUTE_MS);
    const holdUntil = ledger.now + 60 * MINUTE_MS;
    const hold = { grantedMs, holdMs: 1 + this.dice.below(MINUTE_MS), holdUntil };
    const payment = await startPayment(ledger, this.acme, hold);
    await ledger.connection.db.transaction((tx) => openLot(tx, payment));
    this.lent.push(payment);
  }

  private async giveBack(): Promise<void> {
    if (this.paid.length === 0) return;
    const payment = this.dice.pick(this.paid);
    const status = this.dice.pick(['succeeded', 'failed'] as const);
    await takeFacts(ledger, payment, [refund(300, 're_1', status)]);
  }

  private async argue(): Promise<void> {
    if (this.paid.length === 0) return;
    const status = this.dice.pick(['open', 'lost', 'won'] as const);
    await takeFacts(ledger, this.dice.pick(this.paid), [dispute(status, 500)]);
  }

  async end(): Promise<void> {
    for (const session of SESSIONS) await this.acme.close(session, this.totals.get(session)!);
    for (const { context, settler } of workers) {
      await deliver(context);
      await settler.sweep(this.acme.shard);
    }
  }
}

interface Books {
  extra: number;
  drawn: number;
  used: number;
  burnt: number;
  beyond: number;
}

it('two workers use lots in their order, each millisecond once, and none past what it has', {
  timeout: 240_000,
}, async () => {
  for (let i = 0; i < RUNS; i++) {
    const dice = diceOf(SEED + i);
    const acme = await ledger.account({ plan: { quotaMs: dice.below(MINUTE_MS) } });
    const run = new Run(acme, dice);
    await run.begin();
    for (let step = 0; step < STEPS; step++) await run.step();
    await run.end();
    const [books] = await admin<Books[]>`
      select (select sum(extra_ms) from billing_periods where org = ${acme.org})::int as extra,
        (select drawn_ms from organizations where id = ${acme.org})::int as drawn,
        sum(used_ms)::int as used, (select sum(ms) from extra_minutes_usage
          where org = ${acme.org})::int as burnt,
        count(*) filter (where used_ms > granted_ms or used_ms - debt_ms > granted_ms - reversed_ms)
          ::int as beyond
      from extra_minutes_purchases where org = ${acme.org}`;
    const { used } = books!;
    expect(books, `SEED=${SEED + i} RUNS=1`).toEqual({
      ...{ extra: used, drawn: used, used, burnt: used, beyond: 0 },
    });
    expect(used).toBeGreaterThan(MINUTE_MS);
    const passed = await admin`
      select passed, array_agg(distinct by::text) as by, array_agg(distinct used) as used
      from test_passed where org = ${acme.org} group by passed
      having count(distinct by) > 1 or 'frozen' = any(array_agg(used))`;
    expect([...passed], `SEED=${SEED + i} RUNS=1`).toEqual([]);
  }
});
