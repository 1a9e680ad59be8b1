import { expect, it } from 'vitest';
import { type Checkpoint, type CheckpointSeal, createSeal, packSubject } from './checkpoint.ts';

const key = (byte: number) => new Uint8Array(32).fill(byte);
const checkpoint: Checkpoint = {
  session: 's-1',
  org: 'acme',
  user: 'ann',
  startedAt: 1_000,
  trustCaptured: false,
  sealedAt: 5_000,
  witness: {
    epoch: { generation: 3, counter: 2 },
    totalMs: 65_432,
    overshootMs: 12,
    at: 66_500,
    state: 'recording',
    marks: [
      { period: 0, chargedMs: 0 },
      { period: 60_000, chargedMs: 59_000 },
    ],
  },
  untold: { ms: 4_321, at: 70_821 },
};

const sealed = (seal: CheckpointSeal) =>
  seal.seal(packSubject(checkpoint), checkpoint.sealedAt, checkpoint.witness, checkpoint.untold);

it('gives back what was sealed', () => {
  const seal = createSeal([key(1)]);
  expect(seal.open(sealed(seal))).toEqual(checkpoint);
});

it.each(['recording', 'paused', 'detached'] as const)('says that it was %s', (state) => {
  const seal = createSeal([key(1)]);
  for (const untold of [null, checkpoint.untold]) {
    const witness = { ...checkpoint.witness, state };
    const text = seal.seal(packSubject(checkpoint), 5_000, witness, untold);
    expect(seal.open(text)).toEqual({ ...checkpoint, witness, untold });
  }
});

/** As gateways wrote all of them once, and write them while the meter answers. */
it('is short where the meter knows all', () => {
  const text = createSeal([key(1)]).seal('s', 5_000, checkpoint.witness, null);
  expect(text).toMatch(/^s\.5000\.3\.2\.65432\.12\.66500\.0\.0\.0\.60000\.59000\.[\w-]+$/);
});

it('opens what an earlier key sealed, and seals with the first', () => {
  const old = sealed(createSeal([key(1)]));
  const rotated = createSeal([key(2), key(1)]);
  expect(rotated.open(old)).toEqual(checkpoint);
  expect(createSeal([key(1)]).open(sealed(rotated))).toBeNull();
});

it.each(['', '.', 'nonsense', 'a.b', '..', 'AAAA.AAAAAAAAAAAAAAAAAAAAAA'])('refuses %j', (text) => {
  expect(createSeal([key(1)]).open(text)).toBeNull();
});

it('refuses a checkpoint in which one bit was changed', () => {
  const seal = createSeal([key(1)]);
  const text = sealed(seal);
  for (let i = 0; i < text.length; i += 7) {
    if (text[i] === '.') continue;
    const changed = text.slice(0, i) + (text[i] === 'A' ? 'B' : 'A') + text.slice(i + 1);
    // the last character of base64url holds bits that are not read
    if (i < text.length - 1) expect(seal.open(changed)).toBeNull();
  }
});
