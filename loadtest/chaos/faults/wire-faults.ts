/** What lies between processes: cut, stalled, half open, slow; answers lost. And their clocks. */
import type { Dice } from '../../../core/meter/schedule.ts';
import type { Hop, Weather } from '../stage/hop.ts';
import type { Stage } from '../stage/stage.ts';
import { type Blow, type Fault, sleep, span } from './fault.ts';

const HOUR_MS = 3_600_000;
/** How long to wait for a COMMIT whose answer to lose. */
const COMMIT_PATIENCE_MS = 4_000;
const SLOWEST_MS = 60;

/** Long enough for both sides to notice, sometimes. */
function lastsMs(dice: Dice): number {
  return dice.chance(0.15) ? span(dice, 8_000, 13_000) : span(dice, 200, 4_000);
}

function weathered(hop: Hop, weather: Weather, dice: Dice, lock: string): Blow {
  const forMs = lastsMs(dice);
  const delayMs = span(dice, 5, SLOWEST_MS);
  return {
    ...{ target: `${hop.name}: ${weather}`, kills: 0, locks: [lock, hop.name] },
    async strike() {
      hop.set(weather, delayMs);
      await sleep(forMs);
      hop.set('pass');
    },
  };
}

const doorCut: Fault['aim'] = (stage, dice) => {
  const { door } = dice.pick(stage.gateways);
  return { target: door.name, kills: 0, locks: [door.name], strike: async () => door.cut() };
};

const door: Fault['aim'] = (stage, dice) => {
  const hop = dice.pick(stage.gateways).door;
  return weathered(hop, dice.pick(['refuse', 'stall', 'deaf', 'swallow', 'slow']), dice, 'doors');
};

const HOP_WEATHERS: readonly Weather[] = ['refuse', 'stall', 'deaf', 'swallow', 'slow'];

const redisWire: Fault['aim'] = (stage, dice) => {
  const actor = dice.pick([...stage.gateways, ...stage.workers]);
  const lock = `${actor.name} to redis`;
  return weathered(actor.toRedis, dice.pick(HOP_WEATHERS), dice, lock);
};

const postgresWire: Fault['aim'] = (stage, dice) => {
  const actor = dice.pick([...stage.gateways, ...stage.workers]);
  return weathered(actor.toPostgres, dice.pick(HOP_WEATHERS), dice, `${actor.name} to postgres`);
};

/** It is committed, and who asked for it will never know. */
const commitLost: Fault['aim'] = (stage, dice) => {
  const actor = dice.pick([...stage.workers, ...stage.workers, ...stage.gateways]);
  return {
    ...{ target: actor.name, kills: 0, locks: [actor.name, `${actor.name} to postgres`] },
    async strike() {
      const lost = new Promise<void>((resolve) => {
        actor.toPostgres.once(/commit/i, (connection) => {
          connection.loseAnswer();
          resolve();
        });
      });
      await Promise.race([lost, sleep(COMMIT_PATIENCE_MS)]);
      actor.toPostgres.forget();
    },
  };
};

function clocksOf(stage: Stage) {
  const actors = [...stage.gateways, ...stage.workers].map(({ name, clock }) => ({ name, clock }));
  return [...actors, { name: 'redis', clock: stage.redisClock }];
}

const clockStepped: Fault['aim'] = (stage, dice) => {
  const { name, clock } = dice.pick(clocksOf(stage));
  if (clock === null) return null;
  const byMs = dice.chance(0.5) ? HOUR_MS : -HOUR_MS;
  const forMs = span(dice, 500, 5_000);
  return {
    ...{ target: `${name}, ${byMs > 0 ? '+' : '−'}1 h`, kills: 0, locks: [`clock of ${name}`] },
    async strike() {
      clock.step(byMs);
      await sleep(forMs);
      clock.step(0);
    },
  };
};

export const WIRE_FAULTS: readonly Fault[] = [
  { name: 'recorders cut off', weight: 4, touches: ['door'], aim: doorCut },
  { name: 'wire to recorders', weight: 3, touches: ['door'], aim: door },
  { name: 'wire to Redis', weight: 4, touches: ['redis'], aim: redisWire },
  { name: 'wire to Postgres', weight: 3, touches: ['postgres'], aim: postgresWire },
  { name: 'answer of a commit lost', weight: 4, touches: ['postgres'], aim: commitLost },
  { name: 'clock stepped', weight: 2, touches: ['clock'], aim: clockStepped },
];
