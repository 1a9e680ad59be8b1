import type { Case } from './case.ts';
import { CONTROL_CASES } from './control-cases.ts';
import { FRAME_CASES } from './frame-cases.ts';
import { HANDSHAKE_CASES } from './handshake-cases.ts';
import { MESSAGE_CASES } from './message-cases.ts';

export const CASES: readonly Case[] = [
  ...[...HANDSHAKE_CASES, ...FRAME_CASES, ...MESSAGE_CASES, ...CONTROL_CASES],
];
