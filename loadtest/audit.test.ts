import { describe, expect, it } from 'vitest';
import { audit } from './audit.ts';
import type { Books } from './books.ts';
import type { Budget } from './lateness.ts';
import { booksOf, endedLog, makeLog, PERIOD, stoppedLog } from './test-world.ts';

/** Three recorders: 90 s, 150 s with 3 s of overshoot, and 60 s sharp. */
function open(): Budget {
  const logs = [
    endedLog('a', 0, 90_000),
    endedLog('b', 500, 150_000, 3_000),
    endedLog('c', 9, 60_000),
  ];
  return { org: 'o', quotaMs: null, logs };
}

/** Two recorders on 30 s that both answered the stop. */
function limited(): Budget {
  const told = [
    { what: 80, atMs: 12_001 },
    { what: 90, atMs: 13_501 },
    { what: 100, atMs: 15_001 },
  ];
  const logs = [stoppedLog('a', 0, 15_000, told), stoppedLog('b', 0, 15_000, told)];
  return { org: 'o', quotaMs: 30_000, logs };
}

function kinds(budget: Budget, books: Books): string[] {
  return [...new Set(audit([budget], books).findings.map(({ kind }) => kind))];
}

/** Audits what `spoil` has done to a world in which everything agreed. */
function spoiled(budget: Budget, spoil: (books: Books, budget: Budget) => void): string[] {
  const books = booksOf(budget);
  spoil(books, budget);
  return kinds(budget, books);
}

describe('an audit', () => {
  it('holds where recorder, meter and ledger agree', () => {
    const result = audit([open()], booksOf(open()));
    expect(result.findings).toEqual([]);
    expect(result.holds).toBe(true);
    expect(result.totals).toMatchObject({
      ...{ sessions: 3, acknowledgedMs: 300_000, overshootMs: 3_000, ledgerMs: 297_000 },
      ...{ lostMs: 0, doubledMs: 0, overLimitMs: 0, worstDifferenceMs: 0 },
    });
  });

  it('finds a lost second', () => {
    const result = spoiledResult((books) => {
      for (const it of books.ledgerSessions[1]!.minutes.slice(-1)) {
        it.ms -= 1_000;
        it.planMs -= 1_000;
      }
    });
    expect(result.totals.lostMs).toBe(1_000);
    expect(result.findings.find(({ kind }) => kind === 'lost')).toMatchObject({ session: 'b' });
  });

  it('finds a single lost millisecond', () => {
    const result = spoiledResult((books) => {
      const [minute] = books.ledgerSessions[0]!.minutes.slice(-1);
      minute!.ms -= 1;
      minute!.planMs -= 1;
    });
    expect(result.totals).toMatchObject({ lostMs: 1, worstDifferenceMs: 1 });
  });

  it('finds a lost session', () => {
    const result = spoiledResult((books) => books.ledgerSessions.shift());
    expect(result.totals.lostMs).toBe(90_000);
  });

  it('finds a doubled minute', () => {
    const result = spoiledResult((books) => {
      const { minutes } = books.ledgerSessions[0]!;
      minutes.push({ ...minutes[0]! });
    });
    expect(result.totals.doubledMs).toBe(60_000);
    expect(result.findings.map(({ kind }) => kind)).toContain('minutes');
  });

  it('finds a session that no recorder made, and one of a recorder that was refused', () => {
    expect(
      spoiled(open(), (books) =>
        books.ledgerSessions.push({ ...books.ledgerSessions[0]!, session: 'x' }),
      ),
    ).toContain('unknown');
    expect(
      spoiled(open(), (books, { logs }) => {
        Object.assign(
          logs[0]!,
          makeLog({ session: 'a', refused: 'limitReached', phase: 'refused' }),
        );
        void books;
      }),
    ).toContain('unknown');
  });

  it('finds a hole between minutes whose sum is right', () => {
    const found = spoiled(open(), (books) => {
      const { minutes } = books.ledgerSessions[1]!;
      minutes[2]!.minute = 3;
    });
    expect(found).toEqual(['minutes']);
  });

  it('finds a meter, a row or a summary that is a millisecond apart', () => {
    expect(
      spoiled(open(), ({ meterSessions }) => {
        meterSessions[0]!.totalMs += 1;
      }),
    ).toEqual(['apart']);
    expect(
      spoiled(open(), ({ ledgerSessions }) => {
        ledgerSessions[0]!.recordedMs += 1;
      }),
    ).toEqual(['apart']);
    expect(
      spoiled(open(), ({ ledgerSessions }) => {
        ledgerSessions[0]!.settledMs -= 1;
      }),
    ).toEqual(['apart']);
    expect(
      spoiled(open(), (_, { logs }) => {
        logs[1]!.ended!.planMs -= 1;
      }),
    ).toEqual(['apart']);
    expect(
      spoiled(open(), ({ meterBudgets }) => {
        meterBudgets[0]!.usedMs += 1;
      }),
    ).toEqual(['apart']);
  });

  it('finds sums of an organization that are not those of its minutes', () => {
    expect(
      spoiled(open(), ({ ledgerPeriods }) => {
        ledgerPeriods[0]!.cachedMs -= 1;
      }),
    ).toEqual(['apart']);
    expect(
      spoiled(open(), ({ ledgerPeriods }) => {
        ledgerPeriods[0]!.period = PERIOD - 1;
      }),
    ).toContain('apart');
  });

  it('finds an acknowledgement that was taken back at the end', () => {
    expect(
      spoiled(open(), (_, { logs }) => {
        logs[0]!.acknowledgedMs = 90_001;
      }),
    ).toEqual(['lost']);
  });

  it('finds a session that is not settled, and a recorder that heard no end', () => {
    expect(
      spoiled(open(), ({ ledgerSessions }) => {
        ledgerSessions[0]!.state = 'ended';
      }),
    ).toEqual(['open']);
    expect(
      spoiled(open(), (_, { logs }) =>
        Object.assign(logs[0]!, { ended: null, phase: 'recording' }),
      ),
    ).toEqual(['noEnd']);
  });

  it('finds an own clock that is off by more than its connections may cost', () => {
    const shift = (ms: number, connections: number) =>
      spoiled(open(), (_, { logs }) => {
        logs[0]!.recording[0]!.toMs += ms;
        logs[0]!.connections = connections;
      });
    expect(shift(99, 1)).toEqual([]);
    expect(shift(101, 1)).toEqual(['stopwatch']);
    expect(shift(-101, 1)).toEqual(['stopwatch']);
    expect(shift(199, 2)).toEqual([]);
  });

  function spoiledResult(spoil: (books: Books) => void) {
    const books = booksOf(open());
    spoil(books);
    return audit([open()], books);
  }
});

describe('an audit of a limit', () => {
  it('holds where exactly the limit was billed', () => {
    const result = audit([limited()], booksOf(limited()));
    expect(result.findings).toEqual([]);
    expect(result.totals).toMatchObject({ stopped: 1, stoppedExactly: 1 });
  });

  it('finds an overrun of one millisecond', () => {
    const budget = limited();
    budget.logs[1]!.ended!.recordedMs += 1;
    budget.logs[1]!.ended!.planMs += 1;
    const result = audit([budget], booksOf(budget));
    expect(result.totals.overLimitMs).toBeGreaterThan(0);
    expect(result.holds).toBe(false);
  });

  it('finds less than the limit where everybody answered the stop', () => {
    const short = (quiet: boolean) => {
      const budget = limited();
      Object.assign(budget.logs[1]!.ended!, { recordedMs: 14_950, planMs: 14_950 });
      budget.logs[1]!.acknowledgedMs = 14_950;
      if (!quiet) budget.logs[1]!.away = [{ fromMs: 14_900, toMs: 15_200 }];
      return kinds(budget, booksOf(budget));
    };
    expect(short(true)).toEqual(['notExact']);
    expect(short(false)).toEqual([]);
  });

  it('finds a warning that did not come, and a stop seconds before its time', () => {
    expect(spoiled(limited(), (_, { logs }) => void logs[0]!.warnings.pop())).toContain('untold');
    const found = spoiled(limited(), (_, { logs }) => {
      for (const log of logs) {
        log.stop!.atMs = 12_900;
        log.recording[0]!.toMs = 12_900;
      }
    });
    expect(found).toContain('early');
  });

  it('takes a refusal for a budget that had run out as it is, and no other', () => {
    const refused = (code: string) => {
      const budget = limited();
      const late = makeLog({ session: 'late', refused: code, phase: 'refused', connections: 0 });
      return kinds({ ...budget, logs: [...budget.logs, late] }, booksOf(budget));
    };
    expect(refused('limitReached')).toEqual([]);
    expect(refused('ticketInvalid')).toEqual(['complaint']);
  });
});
