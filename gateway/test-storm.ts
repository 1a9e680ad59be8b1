/**
 * A storm from a seed: devices record on two gateways while whatever can go wrong does. Every loss is
 * short enough that no second may be missing afterwards.
 */
import { type Dice, diceOf } from '../core/meter/schedule.ts';
import { audit } from './test-audit.ts';
import { createDevice, type Device, type Life, passWith } from './test-device.ts';
import { beginWorld, type TestGateway, type World } from './test-gateway.ts';

const STEPS = 60;
const DEVICES = 5;
const ORGS = ['big', 'small', 'member', 'long'];
const SECOND_MS = 1_000;

const COMMON_FAULTS = ['away', 'slow', 'ledger', 'raise', 'grant', 'operator'] as const;
type StoreFault = (typeof COMMON_FAULTS)[number] | 'deaf' | 'kill' | 'lost' | 'empty';

interface Stage {
  dice: Dice;
  world: World;
  speed: number;
  /** Faults that may not meet: what would have been told is then known to nobody any more. */
  kinds: readonly StoreFault[];
  gateways: TestGateway[];
  everyGateway: TestGateway[];
  devices: Device[];
  lives: Life[];
  quotaMs: number;
  changed: Set<string>;
  /** real: a fault lasts until then, and the next one waits for a while after it */
  faultUntil: number;
  intervalMs: number;
  log: string[];
}

/**
 * Sentences that say what is wrong, and what had happened; none when all is well. The same seed in
 * fewer steps is the beginning of the same storm.
 * @param met told what was done to devices and stores
 */
export async function runStorm(
  seed: number,
  steps: number = STEPS,
  met: (what: string) => void = () => {},
): Promise<string[]> {
  const dice = diceOf(seed);
  const crossesBoundary = dice.chance(0.3);
  const speed = crossesBoundary ? 1 : dice.pick([1, 1, 1, 10]);
  const world = beginWorld({ speed, ...(crossesBoundary && { beforeBoundaryMs: 40_000 }) });
  const intervalMs = dice.pick([1_000, 5_000]);
  const stage: Stage = {
    ...{ dice, world, speed, intervalMs, gateways: [], everyGateway: [], devices: [] },
    // A gateway that nobody told of a recovery, and that dies, takes its last words with it; an owner
    // whose `started` was lost is known to Redis alone.
    kinds: [...COMMON_FAULTS, dice.pick(['deaf', 'kill']), dice.pick(['lost', 'empty'])],
    ...{ lives: [], changed: new Set(), faultUntil: 0, log: [] },
    quotaMs: (30 + dice.below(200)) * SECOND_MS * speed,
  };
  const { stores } = world;
  const plentyMs = 3_600 * SECOND_MS * speed;
  const memberQuotaMs = (20 + dice.below(80)) * SECOND_MS * speed;
  stores.account('big', { quotaMs: plentyMs });
  stores.account('small', { quotaMs: stage.quotaMs, levels: [50, 80, 90, 100, -10_000] });
  stores.account('member', { quotaMs: plentyMs, memberQuotaMs });
  stores.account('long', { quotaMs: plentyMs, limits: { maxSessionMs: 45 * SECOND_MS * speed } });
  for (let i = 0; i < 2; i++) addGateway(stage);
  for (let i = 0; i < DEVICES; i++) {
    stage.devices.push(createDevice(`d${i}`, ORGS, dice, stage.lives));
  }
  const settling = setInterval(() => void settle(stage), 1_000);
  try {
    for (let step = 0; step < steps; step++) await takeStep(stage);
    await comeToRest(stage);
    const limitMs = new Map(crossesBoundary ? [] : [['small', stage.quotaMs] as const]);
    if (crossesBoundary) for (const org of ORGS) stage.changed.add(org);
    const problems = await audit({ ...stage, stores, limitMs, crossesBoundary });
    for (const line of stage.log) met(line.replace(/^\S+ (d\d+-\d+ )?/, ''));
    for (const [name, times] of Object.entries(stores.calls)) met(`${name}|${times}`);
    return problems.length === 0 ? [] : [...problems, ...stage.log];
  } finally {
    clearInterval(settling);
    await world.end();
  }
}

function addGateway(stage: Stage): void {
  const gateway = stage.world.gateway({ intervalMs: stage.intervalMs });
  stage.gateways.push(gateway);
  stage.everyGateway.push(gateway);
}

async function settle({ world: { stores } }: Stage): Promise<void> {
  if (stores.isLedgerAway || stores.isAway) return;
  for (const org of ORGS) await stores.settle(org);
}

const pass = ({ world, devices, speed }: Stage, ms: number) => passWith(world, devices, ms, speed);

function heal({ world: { stores } }: Stage): void {
  Object.assign(stores, { isAway: false, isLedgerAway: false, losesAnswers: false, delayMs: 0 });
}

async function takeStep(stage: Stage): Promise<void> {
  const { dice, devices } = stage;
  await pass(stage, 50 * (1 + dice.below(60)));
  if (performance.now() > stage.faultUntil) heal(stage);
  const device = dice.pick(devices);
  const isCalm = performance.now() > stage.faultUntil + 3_000;
  if (dice.chance(0.55)) await disturbDevice(stage, device, isCalm);
  else if (isCalm) await disturbStores(stage);
  for (const it of devices) {
    if (it.life.isOver && dice.chance(0.5)) it.nextLife();
    if (!it.recorder && !it.life.isOver) it.connect(stage.gateways);
  }
}

async function disturbDevice(stage: Stage, device: Device, isCalm: boolean): Promise<void> {
  const { dice, log } = stage;
  const { life } = device;
  if (!device.recorder || !life.hasBegun || life.wants === 'stopped') return;
  const say = (what: string) => log.push(`${performance.now()} ${life.session} ${what}`);
  switch (dice.pick(['cut', 'cut', 'silent', 'takeOver', 'toggle', 'stop'])) {
    case 'cut':
      say('is cut off');
      return device.cut();
    case 'silent':
      say('falls silent');
      device.fallSilent();
      await pass(stage, 2_000);
      return device.connect(stage.gateways);
    case 'takeOver':
      say('is taken over');
      life.breaks += 1;
      return device.connect(stage.gateways);
    case 'toggle':
      // A pause that the meter cannot be told of is only known to the gateway.
      if (!isCalm) return;
      say('pauses or goes on');
      device.toggle();
      return pass(stage, 150);
    case 'stop':
      if (!isCalm || dice.chance(0.5)) return;
      say('stops');
      return device.stop();
  }
}

async function disturbStores(stage: Stage): Promise<void> {
  const { dice, log, world } = stage;
  const { stores } = world;
  const now = performance.now();
  const kind = dice.pick(stage.kinds);
  log.push(`${now} ${kind}`);
  const lasts = (ms: number) => {
    stage.faultUntil = now + ms;
  };
  switch (kind) {
    case 'away':
      stores.isAway = true;
      return lasts(6_000);
    case 'lost':
      stores.losesAnswers = true;
      return lasts(4_000);
    case 'empty':
      stores.recoversAfterMs = 50 + dice.below(1_500);
      stores.empty();
      return lasts(4_000);
    case 'slow':
      stores.delayMs = 1 + dice.below(100);
      return lasts(5_000);
    case 'ledger':
      stores.isLedgerAway = true;
      return lasts(3_000);
    case 'raise':
    case 'grant': {
      const moreMs = 20_000 * stage.speed;
      stage.quotaMs += moreMs;
      stage.changed.add('small');
      return kind === 'raise' ? stores.raise('small', moreMs) : stores.grant('small', moreMs);
    }
    case 'operator': {
      const { org, session } = dice.pick(stage.devices).life;
      await stores.meter.stop(org, session);
      return;
    }
    case 'deaf':
      stores.isDeaf = !stores.isDeaf;
      return;
    case 'kill':
      return kill(stage, dice.pick(stage.gateways));
  }
}

function kill(stage: Stage, dead: TestGateway): void {
  dead.kill();
  stage.gateways = stage.gateways.filter((it) => it !== dead);
  addGateway(stage);
  for (const device of stage.devices) if (device.gateway === dead) device.cut();
}

/** All is well again; every session is stopped, and whatever is kept has the time to go. */
async function comeToRest(stage: Stage): Promise<void> {
  heal(stage);
  stage.world.stores.isDeaf = false;
  await pass(stage, 5_000);
  for (let round = 0; round < 5; round++) {
    for (const device of stage.devices) {
      if (device.life.isOver) continue;
      if (!device.recorder) device.connect(stage.gateways);
      device.stop();
    }
    await pass(stage, 3_000);
  }
  for (let i = 0; i < 10 && !isAtRest(stage); i++) await stage.world.pass(30_000);
}

/** Nobody here knows of a session any more: time that passes now changes nothing. */
function isAtRest({ gateways }: Stage): boolean {
  return gateways.every(({ metering, connections }) => {
    const isIdle = metering.hub.remembered().length === 0 && connections.size === 0;
    return isIdle && [...metering.budgets.names()].length === 0;
  });
}
