/** What many cases send and expect: a message that only a gateway that has read it all can refuse. */
import type { Case } from './case.ts';

/** Without a ticket it is refused with 4501, which shows that it was heard whole and unmasked. */
export const START = '{"type":"start"}';
export const TAKEN = {
  outcome: 'close 4501',
  hears: '"ticketInvalid"',
} as const satisfies Partial<Case>;

/** The same in so many bytes. */
export function startOf(bytes: number): string {
  return START.padEnd(bytes);
}

/** The text comes back in the refusal, as it was understood. */
export function echoOf(type: string): Pick<Case, 'outcome' | 'hears'> {
  const detail = `${JSON.stringify(type)} is not a type`;
  return { outcome: 'close 4506', hears: JSON.stringify(detail).slice(1, -1) };
}

export const CUT_BY_UWS = {
  differs: {
    uws: { outcome: 'cut', why: 'it ends the connection without a close frame, as 7.1.7 lets it' },
  },
} as const satisfies Partial<Case>;

export const UNMASKED_BY_UWS = {
  differs: {
    uws: {
      outcome: ['silent', 'cut', 'close 4506', 'close 1005'],
      why:
        'it takes the mask for granted and reads the first four bytes as one: against the MUST of ' +
        '5.1, which guards proxies, not servers; what it then reads is judged as any other text',
    },
  },
} as const satisfies Partial<Case>;

export const BARE_CLOSE_BY_UWS = {
  differs: {
    uws: {
      outcome: 'close 1005',
      why:
        'it answers this close with an empty one: 5.5.1 asks for a close frame, and its code is ' +
        'only "typically" that of the other; the connection ends all the same',
    },
  },
} as const satisfies Partial<Case>;
