/**
 * The third witness (rule 23 of core/meter/README.md): a copy of a session's last reading that the
 * client keeps. Opaque to it and sealed with a MAC, so that what it gives back is what we said.
 *
 *     subject . sealed at . generation . counter . total . overshoot . at . state {. period . charged} . MAC
 *
 * Where the meter was away, the state is one of the second three, and `. untold . until` follows it.
 */
import type { PeriodMark, Untold, Witness } from '../core/meter/rows.ts';
import { createMac } from './mac.ts';

/** Whose it is: all that never changes of a session. */
export interface Subject {
  session: string;
  org: string;
  user: string;
  startedAt: number;
  trustCaptured: boolean;
}

export interface Checkpoint extends Subject {
  /** wall clock, whole real ms: it authenticates a resume for the resume window after this */
  sealedAt: number;
  witness: Witness;
  untold: Keepsake | null;
}

/** What was proven beyond the witness, and the meter could not be told; whether it is forgiven, the plan says. */
export type Keepsake = Omit<Untold, 'isForgiven'>;

const STATES: Witness['state'][] = ['recording', 'paused', 'detached'];
/** after the subject, before what was untold and the marks */
const FIGURES = 7;

export interface CheckpointSeal {
  /** `subject`: as `packSubject` gives it, for it is packed once a session and travels with every tick */
  seal(subject: string, sealedAt: number, witness: Witness, untold: Keepsake | null): string;
  /** null: not ours, or changed */
  open(text: string): Checkpoint | null;
}

export function packSubject({ session, org, user, startedAt, trustCaptured }: Subject): string {
  const packed = [session, org, user, startedAt, trustCaptured ? 1 : 0];
  return Buffer.from(JSON.stringify(packed)).toString('base64url');
}

function unpackSubject(text: string): Subject {
  const [session, org, user, startedAt, trust] = JSON.parse(
    Buffer.from(text, 'base64url').toString(),
  ) as [string, string, string, number, 0 | 1];
  return { session, org, user, startedAt, trustCaptured: trust === 1 };
}

/** `keys`: the first seals, all open (rotation). 32 bytes each. */
export function createSeal(keys: readonly [Uint8Array, ...Uint8Array[]]): CheckpointSeal {
  const macs = keys.map(createMac);
  const first = macs[0]!;

  return {
    seal(subject, sealedAt, { epoch, totalMs, overshootMs, at, state, marks }, untold) {
      const index = STATES.indexOf(state) + (untold === null ? 0 : STATES.length);
      let text = `${subject}.${sealedAt}.${epoch.generation}.${epoch.counter}.${totalMs}.${overshootMs}.${at}.${index}`;
      if (untold !== null) text += `.${untold.ms}.${untold.at}`;
      for (const mark of marks) text += `.${mark.period}.${mark.chargedMs}`;
      return `${text}.${first.of(text)}`;
    },
    open(text) {
      const end = text.lastIndexOf('.');
      const body = text.slice(0, Math.max(0, end));
      const mac = text.slice(end + 1);
      if (!macs.some((it) => it.fits(body, mac))) return null;
      const [subject = '', ...rest] = body.split('.');
      return { ...unpackSubject(subject), ...unpackFigures(rest.map(Number)) };
    },
  };
}

function unpackFigures(numbers: number[]): Pick<Checkpoint, 'sealedAt' | 'witness' | 'untold'> {
  const [sealedAt, generation, counter, totalMs, overshootMs, at, index] = numbers as [
    ...[number, number, number, number, number, number, number],
  ];
  const rest = numbers.slice(FIGURES);
  const [ms, until] = index < STATES.length ? [] : rest.splice(0, 2);
  const untold = ms === undefined || until === undefined ? null : { ms, at: until };
  const marks: PeriodMark[] = [];
  for (let i = 0; i + 1 < rest.length; i += 2) {
    marks.push({ period: rest[i]!, chargedMs: rest[i + 1]! });
  }
  const epoch = { generation, counter };
  const state = STATES[index % STATES.length]!;
  return { sealedAt, witness: { epoch, totalMs, overshootMs, at, state, marks }, untold };
}
