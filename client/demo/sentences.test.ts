import { expect, it } from 'vitest';
import type { Threshold } from '../index.ts';
import {
  actionSentence,
  budgetName,
  expirySentence,
  microphoneSentence,
  stopSentence,
  warningSentence,
  worthTelling,
} from './sentences.ts';

it('says a warning by its scope and threshold', () => {
  expect(warningSentence('organization', { percent: 80 })).toBe(
    '80 % of the plan’s minutes are used.',
  );
  expect(warningSentence('member', { percent: 100 })).toBe('All of your own minutes are used.');
  expect(warningSentence('extra', { remainingMs: 600_000 })).toBe(
    '10 minutes left of the extra minutes.',
  );
  expect(warningSentence('session', { remainingMs: 60_000 })).toBe(
    '1 minute left of the longest session.',
  );
  expect(warningSentence('organization', { remainingMs: 6_000 })).toBe('0:06 minutes left.');
});

it('says which extra minutes expire, and which have', () => {
  const extraExpires = { at: Date.UTC(2026, 4, 20), ms: 600_000 };
  const ahead = expirySentence({ type: 'expiry', id: 'e', notice: 'day', extraExpires });
  expect(ahead).toMatch(/^Extra minutes expire on .+: 10 minutes are left/);
  const gone = { type: 'expiry', id: 'x', notice: 'expired', extraExpires: null } as const;
  expect(expirySentence({ ...gone, expired: { at: 0, ms: 90_000 } })).toBe(
    'Extra minutes have expired: 1:30 minutes were not used.',
  );
});

it('has words for names that are newer than this page', () => {
  expect(budgetName('galaxy')).toBe('Minutes of this period');
  expect(warningSentence('galaxy', { percent: 80 })).toBe('80 % of the minutes are used.');
  expect(stopSentence('solarFlare', null)[1]).toContain('solarFlare');
  expect(stopSentence('solarFlare', 'The sun did it.')[1]).toBe('The sun did it.');
  expect(actionSentence({ type: 'pray' as never })).toBe('pray');
  // As the server sends it at a limit: the instant where the reader is.
  const until = new Date(2026, 1, 1, 0, 0).getTime();
  expect(actionSentence({ type: 'wait', until })).toMatch(/^Wait until .*1.*0.?0/);
});

it('says what to do when the microphone does not open', () => {
  for (const name of ['NotAllowedError', 'NotFoundError', 'NotReadableError', 'OddError']) {
    expect(microphoneSentence(name)).toMatch(/then press Record again\.$/);
  }
});

it('tells of several warnings at once only the worst in each scope', () => {
  const warning = (id: string, scope: 'organization' | 'member', threshold: Threshold) => {
    return { id, scope, threshold, actions: [] };
  };
  const told = worthTelling([
    warning('80', 'organization', { percent: 80 }),
    warning('90', 'organization', { percent: 90 }),
    warning('10 min', 'organization', { remainingMs: 600_000 }),
    warning('5 min', 'organization', { remainingMs: 300_000 }),
    warning('own', 'member', { percent: 80 }),
  ]);
  expect(told.map(({ id }) => id)).toEqual(['90', '5 min', 'own']);
});
