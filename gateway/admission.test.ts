/** Whom a checkpoint lets in: rule 23 of core/meter/README.md. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { beginWorld, type TestGateway, ticketOf, type World } from './test-gateway.ts';

let world: World;
let gateway: TestGateway;
beforeEach(() => {
  world = beginWorld();
  world.stores.account('acme', { quotaMs: 600_000 });
  gateway = world.gateway();
});
afterEach(() => world.end());

async function resume(message: object) {
  const recorder = gateway.connect();
  recorder.send({ type: 'resume', ...message });
  await world.pass(50);
  return recorder;
}

it('its own session, for the resume window and no longer', async () => {
  const first = gateway.connect();
  const { session } = await first.start('acme');
  await world.pass(6_000);
  first.cut();
  await world.pass(100_000);
  const back = await resume({ session, checkpoint: first.checkpoint() });
  expect(back.last('started')).toMatchObject({ session, resumed: true });
  back.cut();
  await world.pass(121_000);
  const late = await resume({ session, checkpoint: back.checkpoint() });
  expect(late.last('refused')).toMatchObject({ code: 'ticketStale' });
  const ticket = ticketOf('acme');
  const fresh = await resume({ session, checkpoint: back.checkpoint(), ticket });
  expect(fresh.last('started')).toMatchObject({ session, resumed: true });
});

it('no session but its own', async () => {
  const [one, other] = [gateway.connect(), gateway.connect()];
  const { session } = await one.start('acme', { session: 'one' });
  await other.start('acme', { session: 'other' });
  const wrong = await resume({ session, checkpoint: other.checkpoint() });
  expect(wrong.last('refused')).toMatchObject({ code: 'checkpointInvalid' });
  expect(wrong.all('started')).toEqual([]);
});
