/**
 * The third witness (rule 23 of core/meter/README.md): a copy of a session's last reading that the
 * client keeps. Opaque to it and sealed with a MAC, so that what it gives back is what we said.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { PeriodMark, Witness } from '../core/meter/rows.ts';

export interface Checkpoint {
  session: string;
  org: string;
  user: string;
  startedAt: number;
  trustCaptured: boolean;
  /** wall clock, real ms: it authenticates a resume for the resume window after this */
  sealedAt: number;
  witness: Witness;
}

/** As an array, for it travels with every tick. */
type Packed = [
  session: string,
  org: string,
  user: string,
  startedAt: number,
  trust: 0 | 1,
  sealedAt: number,
  generation: number,
  counter: number,
  totalMs: number,
  overshootMs: number,
  at: number,
  state: Witness['state'],
  ...marks: number[],
];

const MAC_BYTES = 16;

export interface CheckpointSeal {
  seal(checkpoint: Checkpoint): string;
  /** null: not ours, or changed */
  open(text: string): Checkpoint | null;
}

/** `keys`: the first seals, all open (rotation). 32 bytes each. */
export function createSeal(keys: readonly [Uint8Array, ...Uint8Array[]]): CheckpointSeal {
  const mac = (key: Uint8Array, body: string) =>
    createHmac('sha256', key).update(body).digest().subarray(0, MAC_BYTES);

  return {
    seal(checkpoint) {
      const body = Buffer.from(JSON.stringify(pack(checkpoint))).toString('base64url');
      return `${body}.${mac(keys[0], body).toString('base64url')}`;
    },
    open(text) {
      const dot = text.indexOf('.');
      if (dot < 0) return null;
      const body = text.slice(0, dot);
      const given = Buffer.from(text.slice(dot + 1), 'base64url');
      if (given.length !== MAC_BYTES) return null;
      if (!keys.some((key) => timingSafeEqual(given, mac(key, body)))) return null;
      return unpack(JSON.parse(Buffer.from(body, 'base64url').toString()) as Packed);
    },
  };
}

function pack({ witness, ...held }: Checkpoint): Packed {
  const { epoch, totalMs, overshootMs, at, state, marks } = witness;
  return [
    held.session,
    held.org,
    held.user,
    held.startedAt,
    held.trustCaptured ? 1 : 0,
    held.sealedAt,
    epoch.generation,
    epoch.counter,
    totalMs,
    overshootMs,
    at,
    state,
    ...marks.flatMap((mark) => [mark.period, mark.chargedMs]),
  ];
}

function unpack(packed: Packed): Checkpoint {
  const [session, org, user, startedAt, trust, sealedAt, generation, counter] = packed;
  const [totalMs, overshootMs, at, state, ...flat] = packed.slice(8) as [
    number,
    number,
    number,
    Witness['state'],
    ...number[],
  ];
  const marks: PeriodMark[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    marks.push({ period: flat[i]!, chargedMs: flat[i + 1]! });
  }
  const epoch = { generation, counter };
  const witness: Witness = { epoch, totalMs, overshootMs, at, state, marks };
  return { session, org, user, startedAt, trustCaptured: trust === 1, sealedAt, witness };
}
