/**
 * A recorder that knows what it truly recorded: it keeps its checkpoint, comes back after losses, and
 * says again what its gateway may not have heard. One device has one session after another.
 */
import type { Dice } from '../core/meter/schedule.ts';
import type { RecorderState } from '../core/protocol/messages.ts';
import { type Recorder, type TestGateway, ticketOf, type World } from './test-gateway.ts';

/** One session of a device, as it saw it. */
export interface Life {
  org: string;
  user: string;
  session: string;
  /** meter ms that it truly recorded */
  recordedMs: number;
  wants: RecorderState | 'stopped';
  hasBegun: boolean;
  isOver: boolean;
  /** what was said to it, connection by connection */
  connections: Recorder[];
  /** times it was silent, cut off or paused, each of which costs the wire's latency */
  breaks: number;
}

export interface Device {
  life: Life;
  recorder: Recorder | null;
  gateway: TestGateway | null;
  connect(gateways: readonly TestGateway[]): void;
  /** time has passed: counts it, takes in what was said */
  passed(meterMs: number): void;
  /** pauses, or goes on */
  toggle(): void;
  stop(): void;
  cut(): void;
  /** its line is dead, and nobody sees it: it says and hears nothing more on this connection */
  fallSilent(): void;
  nextLife(): void;
}

export function createDevice(
  name: string,
  orgs: readonly string[],
  dice: Dice,
  lives: Life[],
): Device {
  let checkpoint: string | undefined;
  let needsTicket = false;
  let taken = 0;
  let isLost = false;

  function begin(): Life {
    const number = lives.filter(({ session }) => session.startsWith(`${name}-`)).length;
    const life: Life = {
      ...{ org: dice.pick(orgs), user: dice.pick(['ann', 'bob']), session: `${name}-${number}` },
      ...{ recordedMs: 0, wants: 'recording', hasBegun: false, isOver: false },
      ...{ connections: [], breaks: 0 },
    };
    lives.push(life);
    return life;
  }

  function take(recorder: Recorder): void {
    const { life } = device;
    for (const message of recorder.messages.slice(taken)) {
      taken += 1;
      if ('checkpoint' in message) {
        checkpoint = message.checkpoint;
        needsTicket = false;
      }
      if (message.type === 'started') {
        life.hasBegun = true;
        const { wants } = life;
        if (wants === 'stopped') recorder.send({ type: 'stop' });
        else if (message.state !== wants) recorder.send({ type: 'beat', seq: 0, state: wants });
      }
      if (message.type === 'stop' || message.type === 'ended') life.wants = 'stopped';
      if (message.type === 'ended') life.isOver = true;
      if (message.type !== 'refused' || message.code === 'meterUnavailable') continue;
      if (message.code === 'checkpointInvalid' && !needsTicket) {
        // An answer that was lost had let it in: its checkpoint is older than that, and still a witness.
        needsTicket = true;
        continue;
      }
      // What else it may be told: its end was lost with a connection, or it may not begin.
      life.isOver = true;
      life.wants = 'stopped';
    }
  }

  const device: Device = {
    life: begin(),
    recorder: null,
    gateway: null,
    connect(gateways) {
      const { life } = device;
      const gateway = dice.pick(gateways);
      const recorder = gateway.connect({ latencyMs: 1 + dice.below(20) });
      Object.assign(device, { recorder, gateway });
      taken = 0;
      isLost = false;
      life.connections.push(recorder);
      const { session } = life;
      const ticket = ticketOf(life.org, life.user);
      if (!life.hasBegun) recorder.send({ type: 'start', ticket, session });
      else if (dice.chance(0.3) || !checkpoint || needsTicket)
        recorder.send({ type: 'resume', session, ticket, checkpoint });
      else recorder.send({ type: 'resume', session, checkpoint });
    },
    passed(meterMs) {
      const { life, recorder } = device;
      if (life.hasBegun && life.wants === 'recording') life.recordedMs += meterMs;
      if (!recorder || isLost) return;
      take(recorder);
      if (recorder.closed) device.recorder = null;
    },
    toggle() {
      const { life, recorder } = device;
      life.wants = life.wants === 'recording' ? 'paused' : 'recording';
      life.breaks += 1;
      recorder?.send({ type: 'beat', seq: 0, state: life.wants });
    },
    stop() {
      device.life.wants = 'stopped';
      device.recorder?.send({ type: 'stop' });
    },
    cut() {
      device.recorder?.cut();
      device.recorder = null;
      device.life.breaks += 1;
    },
    fallSilent() {
      if (!device.recorder) return;
      device.recorder.answers = false;
      isLost = true;
      device.life.breaks += 1;
    },
    nextLife() {
      device.life = begin();
      device.recorder = null;
      checkpoint = undefined;
    },
  };
  return device;
}

/** Time passes in small steps, so that devices react as they would. */
export async function passWith(
  world: World,
  devices: readonly Device[],
  ms: number,
  speed: number,
): Promise<void> {
  const STEP_MS = 50;
  for (let left = ms; left > 0; left -= STEP_MS) {
    const step = Math.min(STEP_MS, left);
    await world.pass(step);
    for (const device of devices) device.passed(step * speed);
  }
}
