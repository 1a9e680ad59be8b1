/** Gateways and workers: killed, frozen, drained. */
import type { Dice } from '../../../core/meter/schedule.ts';
import type { Actor, Stage } from '../stage/stage.ts';
import { type Fault, sleep, span } from './fault.ts';

/** An orchestrator needs a moment to see that one is gone. */
const LONGEST_ABSENCE_MS = 1_500;
/** How long to wait for a COMMIT to kill a worker at. */
const COMMIT_PATIENCE_MS = 4_000;

/** Some frozen ones wake up long after everybody has given them up. */
function freezeMs(dice: Dice): number {
  return dice.chance(0.2) ? span(dice, 8_000, 14_000) : span(dice, 300, 4_000);
}

function killed(actors: (stage: Stage) => readonly Actor[]): Fault['aim'] {
  return (stage, dice) => {
    const actor = dice.pick(actors(stage));
    const awayMs = span(dice, 0, LONGEST_ABSENCE_MS);
    return {
      ...{ target: actor.name, kills: 1, locks: [actor.name] },
      async strike() {
        await actor.kill();
        await sleep(awayMs);
        await actor.start();
      },
    };
  };
}

function frozen(actors: (stage: Stage) => readonly Actor[]): Fault['aim'] {
  return (stage, dice) => {
    const actor = dice.pick(actors(stage));
    const lastsMs = freezeMs(dice);
    return {
      ...{ target: actor.name, kills: 0, locks: [actor.name] },
      async strike() {
        actor.freeze();
        await sleep(lastsMs);
        actor.thaw();
      },
    };
  };
}

const POINTS = ['before', 'after', 'later'] as const;

/** Killed right before its COMMIT leaves, right after, or as it goes on to tell the meter. */
const workerKilledAtCommit: Fault['aim'] = (stage, dice) => {
  const worker = dice.pick(stage.workers);
  const point = dice.pick(POINTS);
  const laterMs = span(dice, 1, 12);
  return {
    ...{ target: `${worker.name}, ${point} its commit`, kills: 1, locks: [worker.name] },
    async strike() {
      const heard = new Promise<void>((resolve) => {
        worker.toPostgres.once(/commit/i, (connection) => {
          if (point === 'before') connection.loseRequest();
          if (point === 'after') connection.loseAnswer();
          setTimeout(resolve, point === 'later' ? laterMs : 0);
        });
      });
      await Promise.race([heard, sleep(COMMIT_PATIENCE_MS)]);
      worker.toPostgres.forget();
      await worker.kill();
      await worker.start();
    },
  };
};

const drained: Fault['aim'] = (stage, dice) => {
  const gateway = dice.pick(stage.gateways);
  return {
    ...{ target: gateway.name, kills: 0, locks: [gateway.name] },
    async strike() {
      await gateway.drain();
      await gateway.start();
    },
  };
};

/** A deploy: each in turn, while the others serve. */
const rolled: Fault['aim'] = (stage) => ({
  ...{ target: 'all gateways in turn', kills: 0, locks: stage.gateways.map(({ name }) => name) },
  async strike() {
    for (const gateway of stage.gateways) {
      await gateway.drain();
      await gateway.start();
    }
  },
});

/** Everybody is cut off at once, and a gateway is not there to come back to. */
const stormed: Fault['aim'] = (stage, dice) => {
  const victim = dice.pick(stage.gateways);
  return {
    ...{ target: `all recorders, ${victim.name}`, kills: 1, locks: [victim.name, 'doors'] },
    async strike() {
      const gone = victim.kill();
      for (const { door } of stage.gateways) door.cut();
      await gone;
      await victim.start();
    },
  };
};

const gateways = (stage: Stage) => stage.gateways;
const workers = (stage: Stage) => stage.workers;

export const PROCESS_FAULTS: readonly Fault[] = [
  { name: 'gateway killed', weight: 8, touches: ['gateway'], aim: killed(gateways) },
  { name: 'gateway frozen', weight: 2, touches: ['gateway'], aim: frozen(gateways) },
  { name: 'gateway drained', weight: 2, touches: ['gateway'], aim: drained },
  { name: 'rolling deploy', weight: 0.5, touches: ['gateway'], aim: rolled },
  { name: 'reconnect storm', weight: 2, touches: ['gateway', 'door'], aim: stormed },
  { name: 'worker killed', weight: 5, touches: ['worker'], aim: killed(workers) },
  { name: 'worker killed at commit', weight: 4, touches: ['worker'], aim: workerKilledAtCommit },
  { name: 'worker frozen', weight: 2, touches: ['worker'], aim: frozen(workers) },
];
