/** What the meter is asked while a resume waits for it. */
import { expect, it } from 'vitest';
import type { OpenReply } from '../core/meter/commands.ts';
import type { OpenCommand } from '../core/meter/open-command.ts';
import { createOpening } from './opening.ts';

it('what was remembered as the recorder came back grows old while it waits', async () => {
  const asked: OpenCommand[] = [];
  let now = 10_000;
  const open = createOpening({
    meter: {
      async open(command) {
        asked.push(command);
        now += 700;
        return asked.length < 3 ? { status: 'recover' } : ({ status: 'resumed', now } as OpenReply);
      },
      count: () => Promise.reject(new Error('not asked')),
      leave: () => Promise.reject(new Error('not asked')),
    },
    ledger: { base: async () => null, starts: () => Promise.reject(new Error('not asked')) },
    seeding: { seed: () => Promise.reject(new Error('not asked')) },
    clock: { monotonicMs: () => now, wallMs: () => now },
    now: () => now,
    needed: () => {},
    outageTold: async () => {},
    answered: () => {},
    unanswered: () => {},
  } as Parameters<typeof createOpening>[0]);
  await open({
    ...{ session: 's', org: 'acme', user: 'ann', period: 0, witness: null, authenticates: false },
    ...{ memoryMs: 4_000, memoryAgeMs: () => (now - 10_000) * 2, countedGapMs: 20_000 },
    ...{ concurrentSessions: null, sessionLimitMs: null, sessionLevels: [], plannedMs: null },
    ...{ mayBeNew: false, isFresh: false, startedAt: null, wait: null },
    ...{ isAwaited: () => true, dayAt: () => null },
  });
  expect(asked.map(({ memoryMs, memoryAgeMs }) => [memoryMs, memoryAgeMs])).toEqual([
    [4_000, 0],
    [4_000, 1_400],
    [4_000, 2_800],
  ]);
});
