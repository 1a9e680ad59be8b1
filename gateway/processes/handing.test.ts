/** Who gets the connections of a shared port, with takers that answer when the test says. */
import { connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { eventually } from '../../local/test-eventually.ts';
import { type Handing, startHanding } from './handing.ts';

class FakeTaker {
  isTaking = true;
  /** How many it was given. */
  given = 0;
  #answer: (isTaken: boolean) => void = () => {};

  give(_: Socket): Promise<boolean> {
    this.given += 1;
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }

  take(): void {
    this.#answer(true);
  }

  refuse(): void {
    this.isTaking = false;
    this.#answer(false);
  }
}

let handing: Handing;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await handing.stop();
});

async function open(...takers: FakeTaker[]): Promise<void> {
  handing = await startHanding({ host: '127.0.0.1', port: 0 }, () => takers);
}

/** Resolves when the connection has ended. */
function come(): Promise<void> {
  const socket = connect(handing.port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => {});
  return new Promise((resolve) => socket.resume().once('close', () => resolve()));
}

const given = (...takers: FakeTaker[]) => takers.map((it) => it.given);

it('gives each the next in turn, and one at a time', async () => {
  const a = new FakeTaker();
  const b = new FakeTaker();
  await open(a, b);
  for (let i = 0; i < 3; i++) void come();
  await eventually(() => expect(given(a, b)).toEqual([1, 1]));
  a.take();
  await eventually(() => expect(given(a, b)).toEqual([2, 1]));
  b.take();
  a.take();
  void come();
  await eventually(() => expect(given(a, b)).toEqual([2, 2]));
});

it('leaves out one that stands still', async () => {
  const still = new FakeTaker();
  const well = new FakeTaker();
  await open(still, well);
  for (let i = 1; i <= 5; i++) {
    void come();
    await eventually(() => expect(still.given + well.given).toBe(i));
    well.take();
    // Told in a microtask of its own.
    await Promise.resolve();
  }
  expect(given(still, well)).toEqual([1, 4]);
});

it('gives what one did not take to another', async () => {
  const a = new FakeTaker();
  const b = new FakeTaker();
  await open(a, b);
  void come();
  await eventually(() => expect(a.given + b.given).toBe(1));
  const [first, other] = a.given === 1 ? [a, b] : [b, a];
  first.refuse();
  await eventually(() => expect(other.given).toBe(1));
});

it('ends those that nobody is there to take', async () => {
  const last = new FakeTaker();
  await open(last);
  const first = come();
  const second = come();
  await eventually(() => expect(last.given).toBe(1));
  last.refuse();
  await Promise.all([first, second, come()]);
  expect(last.given).toBe(1);
});
