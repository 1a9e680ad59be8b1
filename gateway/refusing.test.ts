/** Who and what does not get in, and what each is told. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProduct, type TestProduct } from '../local/test-product.ts';
import { type Account, createAccount } from './test-account.ts';
import { connectRecorder, type TestRecorder } from './test-recorder.ts';
import { transportsHere } from './transport/test-transport.ts';

describe.each(await transportsHere())('who does not get in over %s', (transport) => {
  let product: TestProduct;
  let account: Account;
  beforeAll(async () => {
    product = await startTestProduct({
      gateways: 2,
      intervalMs: 500,
      env: { ALLOWED_ORIGINS: 'https://app.example', TRANSPORT: transport },
    });
    account = await createAccount(product, { minutes: 10, concurrentSessions: 50 });
  }, 120_000);
  afterAll(() => product?.stop());

  const connect = (options = {}, gateway = 0) =>
    connectRecorder(product.gateways[gateway]!.connectUrl, options);

  async function refused(recorder: TestRecorder, message: Record<string, unknown>) {
    recorder.send(message);
    const told = await recorder.next('refused');
    return { ...told, close: (await recorder.closed).code };
  }

  describe('tickets', () => {
    it('are needed', async () => {
      const answer = await refused(await connect(), { type: 'start' });
      expect(answer).toMatchObject({ code: 'ticketInvalid', close: 4501 });
      expect(answer.detail).toContain('ticket');
    });

    it('that are not ours are refused', async () => {
      const ticket = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.';
      expect(await refused(await connect(), { type: 'start', ticket })).toMatchObject({
        code: 'ticketInvalid',
        close: 4501,
      });
    });

    it('open one connection only, whichever gateway they are shown to', async () => {
      const ticket = await account.ticket();
      const first = await connect();
      await first.start({ ticket });
      const again = await refused(await connect({}, 1), { type: 'start', ticket });
      expect(again).toMatchObject({ code: 'ticketStale', close: 4004 });
      await first.stop();
    });

    it('may come as a second subprotocol', async () => {
      const ticket = await account.ticket();
      const recorder = await connect({ protocols: ['taximeter.v1', `ticket.${ticket}`] });
      await recorder.start({});
      await recorder.stop();
    });

    it('for one session open no other', async () => {
      const ticket = await account.ticket('ann', { session: 'only-this' });
      const answer = await refused(await connect(), { type: 'start', ticket, session: 'another' });
      expect(answer.code).toBe('ticketInvalid');
      expect(answer.detail).toContain('only-this');
    });
  });

  describe('connections', () => {
    it('of an origin that is not listed are refused before the upgrade', async () => {
      const headers = { origin: 'https://evil.example' };
      await expect(connect({ headers })).rejects.toThrow('403');
      const reason = await fetch(`${product.gatewayUrls[0]}/v1/connect`, { headers });
      expect(reason.status).toBe(403);
      expect(await reason.json()).toMatchObject({ code: 'originNotAllowed' });
    });

    it('of a listed origin, or of no browser at all, may come', async () => {
      const listed = await connect({ headers: { origin: 'https://app.example' } });
      listed.cut();
      const none = await connect();
      none.cut();
    });

    it('must offer our subprotocol', async () => {
      await expect(connect({ protocols: ['other.v1'] })).rejects.toThrow('400');
    });

    it('must begin with start or resume', async () => {
      const recorder = await connect();
      recorder.send({ type: 'beat', seq: 1 });
      expect((await recorder.next('error')).detail).toContain('"start" or "resume"');
      expect((await recorder.closed).code).toBe(4506);
    });
  });

  describe('messages', () => {
    it.each([
      ['no JSON', 'nonsense'],
      ['an array', '[]'],
      ['an unknown type', '{"type":"launch"}'],
      ['a wrong field type', '{"type":"start","ticket":7}'],
      ['a prototype name', '{"type":"__proto__"}'],
      ['a bomb', '['.repeat(2_000)],
      ['a binary frame', Buffer.from([1, 2, 3])],
    ])('with %s are answered with an error and 4506', async (_, data) => {
      const recorder = await connect();
      recorder.sendRaw(data);
      const error = await recorder.next('error');
      expect(error).toMatchObject({ code: 'badMessage', fatal: true });
      expect(error.detail.length).toBeGreaterThan(10);
      expect((await recorder.closed).code).toBe(4506);
    });

    it('beyond 16 KB are cut off with 1009', async () => {
      const recorder = await connect();
      recorder.sendRaw(`{"type":"start","ticket":"${'x'.repeat(20_000)}"}`);
      expect((await recorder.closed).code).toBe(1009);
    });

    it('beyond 4 KB are too big once the first was heard', async () => {
      const recorder = await connect();
      await recorder.start({ ticket: await account.ticket() });
      recorder.sendRaw(`{"type":"beat","seq":1,"x":"${'x'.repeat(5_000)}"}`);
      expect((await recorder.closed).code).toBe(1009);
    });

    it('in a flood close the connection with 4003, and others go on', async () => {
      const other = await connect();
      await other.start({ ticket: await account.ticket('other') });
      const recorder = await connect();
      await recorder.start({ ticket: await account.ticket() });
      for (let i = 0; i < 60; i++) recorder.send({ type: 'beat', seq: 0 });
      expect((await recorder.closed).code).toBe(4003);
      await other.stop();
    });
  });

  describe('starts', () => {
    it('of an unknown organization are refused by the API that mints tickets', async () => {
      const body = { org: 'nobody', user: 'ann' };
      await expect(product.api('POST', '/v1/tickets', body)).rejects.toThrow('organizationUnknown');
    });

    it('on an exhausted budget name the limit, the reading and what would help', async () => {
      const poor = await createAccount(product, { minutes: 0 });
      const answer = await refused(await connect(), { type: 'start', ticket: await poor.ticket() });
      expect(answer).toMatchObject({ code: 'limitReached', binding: 'organization', close: 4500 });
      expect(answer.reading).toMatchObject({ limitMs: 0, remainingMs: 0, percent: 100 });
      // Its plan has none in the next period, either: there is nothing to wait for.
      expect(answer.actions.map(({ type }) => type)).toEqual(['buyExtraMinutes', 'upgrade']);
    });

    it('of more than is left are refused, with both figures', async () => {
      const message = { type: 'start', ticket: await account.ticket(), plannedMs: 11 * 60_000 };
      const answer = await refused(await connect(), message);
      expect(answer.code).toBe('plannedTooLong');
      expect(answer.detail).toContain('11 min');
    });

    it('beyond the concurrency limit are refused, exactly', async () => {
      const few = await createAccount(product, { minutes: 10, concurrentSessions: 3 });
      const tickets = await Promise.all(Array.from({ length: 12 }, (_, i) => few.ticket(`u${i}`)));
      const recorders = await Promise.all(tickets.map((_, i) => connect({}, i % 2)));
      const answers = await Promise.all(
        recorders.map(async (recorder, i) => {
          recorder.send({ type: 'start', ticket: tickets[i] });
          return Promise.race([
            recorder.next('started').then(() => 'started'),
            recorder.next('refused').then(({ code }) => code),
          ]).catch(() => 'closed');
        }),
      );
      expect(answers.filter((answer) => answer === 'started')).toHaveLength(3);
      expect(answers.filter((answer) => answer === 'concurrencyLimit')).toHaveLength(9);
      for (const recorder of recorders) recorder.cut();
    });

    it('with an id of a session that has ended stay refused', async () => {
      const recorder = await connect();
      const { session } = await recorder.start({ ticket: await account.ticket() });
      await recorder.stop();
      const message = { type: 'start', session, ticket: await account.ticket() };
      expect(await refused(await connect(), message)).toMatchObject({
        code: 'sessionEnded',
        close: 4507,
      });
    });
  });

  describe('resumes', () => {
    it('of a session that nobody knows are refused', async () => {
      const message = { type: 'resume', session: 'never-was', ticket: await account.ticket() };
      expect((await refused(await connect(), message)).code).toBe('sessionUnknown');
    });

    it("of another member's session are refused as if it were not there", async () => {
      const recorder = await connect();
      const { session } = await recorder.start({ ticket: await account.ticket('ann') });
      const ticket = await account.ticket('eve');
      const byTicket = await refused(await connect({}, 1), { type: 'resume', session, ticket });
      expect(byTicket.code).toBe('sessionUnknown');
      const start = { type: 'start', session, ticket: await account.ticket('eve') };
      expect((await refused(await connect({}, 1), start)).code).toBe('sessionUnknown');
      const { summary } = await recorder.stop();
      expect(summary.recordedMs).toBeGreaterThanOrEqual(0);
    });

    it('with a changed checkpoint are refused', async () => {
      const recorder = await connect();
      const { session, checkpoint } = await recorder.start({ ticket: await account.ticket() });
      const changed = checkpoint.replace(/^.{10}/, (head) => head.split('').reverse().join(''));
      const message = { type: 'resume', session, checkpoint: changed };
      const answer = await refused(await connect(), message);
      expect(answer).toMatchObject({ code: 'checkpointInvalid', close: 4004 });
      await recorder.stop();
    });

    it("with another session's checkpoint are refused", async () => {
      const one = await connect();
      const { checkpoint } = await one.start({ ticket: await account.ticket('ann') });
      const other = await connect();
      const { session } = await other.start({ ticket: await account.ticket('ann') });
      const answer = await refused(await connect(), { type: 'resume', session, checkpoint });
      expect(answer.code).toBe('checkpointInvalid');
      await Promise.all([one.stop(), other.stop()]);
    });
  });

  it('two organizations may give sessions the same id', async () => {
    const other = await createAccount(product, { minutes: 10 });
    const mine = await connect();
    const theirs = await connect();
    const first = await mine.start({ ticket: await account.ticket(), session: 'same-id' });
    const second = await theirs.start({ ticket: await other.ticket(), session: 'same-id' });
    expect([first.resumed, second.resumed]).toEqual([false, false]);
    await Promise.all([mine.stop(), theirs.stop()]);
  });
});
