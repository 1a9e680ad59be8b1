/**
 * Every kind of change that an app's backend can make while people record, with recorders on two
 * gateways: what they hear of it, without a reconnect. Patience is long, since the machine is busy; what
 * is asserted is that word comes, to everybody it concerns and to nobody else.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ServerMessage } from '../core/protocol/messages.ts';
import { startTestProduct, type TestProduct } from '../local/test-product.ts';
import { type Account, createAccount, until } from './test-account.ts';
import { connectRecorder, type TestRecorder } from './test-recorder.ts';

const INTERVAL_MS = 300;
const MINUTE_MS = 60_000;
/** A second is what is promised; a busy machine is forgiven the rest. */
const BOUND_MS = 6_000;

let product: TestProduct;
const open: TestRecorder[] = [];
beforeAll(async () => {
  product = await startTestProduct({ gateways: 2, intervalMs: INTERVAL_MS });
}, 120_000);
afterAll(async () => {
  for (const recorder of open) recorder.cut();
  await product?.stop();
});

type Plan = Record<string, unknown>;
const setPlan = (account: Account, plan: Plan) =>
  product.api('PUT', `/v1/plans/${account.plan}`, { name: account.plan, ...plan });
const setOrg = (account: Account, more: Plan, plan = account.plan) =>
  product.api('PUT', `/v1/orgs/${account.org}`, { name: account.org, plan, ...more });
const setMember = ({ org }: Account, user: string, body: Plan) =>
  product.api('PUT', `/v1/orgs/${org}/members/${user}`, body);
const give = ({ org }: Account, minutes: number) =>
  product.api('POST', `/v1/orgs/${org}/adjustments`, { minutes, kind: 'extra', reason: 'try' });

/** ann on the first gateway, bob on the second. */
async function recording(account: Account): Promise<[ann: TestRecorder, bob: TestRecorder]> {
  const two = await Promise.all(
    ['ann', 'bob'].map(async (user, i) => {
      const recorder = await connectRecorder(product.gateways[i]!.connectUrl);
      open.push(recorder);
      await recorder.start({ ticket: await account.ticket(user) });
      await recorder.next('tick');
      return recorder;
    }),
  );
  return two as [TestRecorder, TestRecorder];
}

/** What is heard from here on, until it fits. */
function hears(recorder: TestRecorder, fits: (message: ServerMessage) => boolean) {
  const from = recorder.messages.length;
  return until(
    async () => recorder.messages.slice(from).find(fits) ?? recorder.messages.at(-1),
    (message) => message !== undefined && recorder.messages.slice(from).some(fits),
  );
}

const limitIs = (limitMs: number | null) => (message: ServerMessage) =>
  message.type === 'tick' && message.reading.limitMs === limitMs;
const isStop = (reason: string) => (message: ServerMessage) =>
  message.type === 'stop' && message.reason === reason;
const minutes = (count: number) => limitIs(count * MINUTE_MS);

interface Change {
  what: string;
  /** before anybody records */
  plan?: Plan;
  before?(account: Account): Promise<unknown>;
  change(account: Account): Promise<unknown>;
  /** by both; by ann alone with `bob` */
  heard(message: ServerMessage): boolean;
  /** what bob goes on hearing where it does not concern him */
  bob?(message: ServerMessage): boolean;
}

const PLAN: Plan = { minutes: 20, thresholds: { percent: [], remainingMinutes: [] } };
const planTo = (more: Plan) => (account: Account) => setPlan(account, { ...PLAN, ...more });
/** Another plan, and the organization moved to it. */
const moveTo = (more: Plan) => async (account: Account) => {
  const other = `${account.plan}-other`;
  await product.api('PUT', `/v1/plans/${other}`, { name: other, ...PLAN, ...more });
  await setOrg(account, {}, other);
};

const CHANGES: Change[] = [
  { what: 'the plan: more minutes', change: planTo({ minutes: 30 }), heard: minutes(30) },
  { what: 'the plan: fewer minutes', change: planTo({ minutes: 10 }), heard: minutes(10) },
  {
    what: 'the plan: hours instead',
    change: planTo({ minutes: undefined, hours: 1.5 }),
    heard: minutes(90),
  },
  {
    what: 'the plan: a longest session that is shorter',
    plan: { ...PLAN, maxSessionMinutes: 15 },
    change: planTo({ maxSessionMinutes: 4 }),
    heard: minutes(4),
  },
  {
    what: 'the plan: a longest session, where there was none',
    change: planTo({ maxSessionMinutes: 3 }),
    heard: minutes(3),
  },
  {
    what: 'the plan: no longest session any more',
    plan: { ...PLAN, maxSessionMinutes: 2 },
    change: planTo({}),
    heard: minutes(20),
  },
  { what: 'the plan: unlimited', change: planTo({ minutes: -1 }), heard: limitIs(null) },
  {
    what: 'the plan: limited again',
    plan: { minutes: null },
    change: planTo({ minutes: 5 }),
    heard: minutes(5),
  },
  { what: 'the plan: nothing', change: planTo({ minutes: 0 }), heard: isStop('limitReached') },
  { what: 'another plan, with more', change: moveTo({ minutes: 40 }), heard: minutes(40) },
  { what: 'another plan, with less', change: moveTo({ minutes: 7 }), heard: minutes(7) },
  {
    what: 'another plan, with nothing',
    change: moveTo({ minutes: 0 }),
    heard: isStop('limitReached'),
  },
  {
    what: 'the organization: a limit of its own',
    change: (account) => setOrg(account, { minutes: 4 }),
    heard: minutes(4),
  },
  {
    what: 'the organization: its own limit lifted',
    before: (account) => setOrg(account, { hours: 0.1 }),
    change: (account) => setOrg(account, {}),
    heard: minutes(20),
  },
  {
    what: 'the organization: nothing',
    change: (account) => setOrg(account, { minutes: 0 }),
    heard: isStop('limitReached'),
  },
  {
    what: 'a member: a limit of her own',
    change: (account) => setMember(account, 'ann', { minutes: 3 }),
    heard: (message) => minutes(3)(message) && 'reading' in message && isMembers(message),
    bob: minutes(20),
  },
  {
    what: 'a member: her own limit lifted',
    before: (account) => setMember(account, 'ann', { minutes: 3 }),
    change: (account) => setMember(account, 'ann', {}),
    heard: minutes(20),
    bob: minutes(20),
  },
  {
    what: 'a member: nothing',
    change: (account) => setMember(account, 'ann', { minutes: 0 }),
    heard: (message) => message.type === 'stop' && message.binding === 'member',
    bob: minutes(20),
  },
  {
    what: 'thresholds: one that holds already',
    change: planTo({ thresholds: { percent: [], remainingMinutes: [19.999] } }),
    heard: (message) => message.type === 'warning' && 'remainingMs' in message.threshold,
  },
  {
    what: 'thresholds: one withdrawn',
    plan: { ...PLAN, thresholds: { percent: [], remainingMinutes: [19.999] } },
    change: planTo({}),
    heard: (message) => message.type === 'recovered',
  },
  { what: 'at the limit: overage', change: planTo({ atLimit: 'overage' }), heard: limitIs(null) },
  {
    what: 'at the limit: overage with a cap',
    change: planTo({ atLimit: 'overage', overageCapMinutes: 5 }),
    heard: minutes(25),
  },
  {
    what: 'at the limit: stop',
    plan: { ...PLAN, atLimit: 'overage' },
    change: planTo({}),
    heard: minutes(20),
  },
  { what: 'shadow', change: planTo({ enforcement: 'shadow' }), heard: limitIs(null) },
  {
    what: 'enforced again',
    plan: { ...PLAN, enforcement: 'shadow' },
    change: planTo({}),
    heard: minutes(20),
  },
  {
    what: 'enforced again, with nothing left',
    plan: { ...PLAN, minutes: 0, enforcement: 'shadow' },
    change: planTo({ minutes: 0 }),
    heard: isStop('limitReached'),
  },
  {
    what: 'suspended',
    change: (account) => setOrg(account, { suspended: true }),
    heard: isStop('organizationSuspended'),
  },
  { what: 'extra minutes', change: (account) => give(account, 10), heard: minutes(30) },
  {
    what: 'extra minutes taken back',
    before: (account) => give(account, 10),
    change: (account) => give(account, -10),
    heard: minutes(20),
  },
];
const isMembers = (message: ServerMessage) =>
  'reading' in message && message.reading?.binding === 'member';

describe.concurrent('a change reaches whoever records, on every gateway', () => {
  it.each(CHANGES)('$what', async ({ plan, before, change, heard, bob: others }) => {
    const account = await createAccount(product, plan ?? PLAN);
    await before?.(account);
    const [ann, bob] = await recording(account);
    const began = performance.now();
    const all = Promise.all([hears(ann, heard), ...(others ? [] : [hears(bob, heard)])]);
    await Promise.all([all, change(account)]);
    expect(performance.now() - began).toBeLessThan(BOUND_MS);
    if (others) {
      await hears(bob, others);
      expect(bob.messages.some((message) => message.type === 'stop')).toBe(false);
    }
  });

  it('and back: who was suspended may start again', async () => {
    const account = await createAccount(product, PLAN);
    await setOrg(account, { suspended: true });
    const refused = await connectRecorder(product.gateways[1]!.connectUrl);
    open.push(refused);
    refused.send({ type: 'start', ticket: await account.ticket('ann') });
    expect(await refused.next('refused')).toMatchObject({ code: 'organizationSuspended' });
    await setOrg(account, {});
    await recording(account);
  });
});
