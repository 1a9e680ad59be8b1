/**
 * Clocks that can be stepped under a running process, Redis included: a library of thirty lines put
 * before the system's own, which adds what stands in a file of eight bytes to the time of day. The
 * monotonic clock is left alone, as a step of the real one leaves it.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const NS_PER_MS = 1_000_000n;

const SOURCE = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* ns that the time of day is off by */
static volatile long long *step;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("CLOCK_STEP_FILE");
  int file = path ? open(path, O_RDONLY) : -1;
  void *seen = file < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
  if (file >= 0) close(file);
  if (seen != MAP_FAILED) step = seen;
}

int clock_gettime(clockid_t id, struct timespec *at) {
  int failed = syscall(SYS_clock_gettime, id, at);
  if (failed || !step || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) return failed;
  long long ns = at->tv_sec * 1000000000LL + at->tv_nsec + *step;
  at->tv_sec = ns / 1000000000LL;
  at->tv_nsec = ns % 1000000000LL;
  return 0;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
`;

export interface SteppedClock {
  /** for the process whose clock it is */
  env: Record<string, string>;
  step(byMs: number): void;
}

export interface ClockShim {
  clock(name: string): SteppedClock;
}

/** Compiled into `folder`. null where that can't be done: no C compiler, or not Linux. */
export async function makeClockShim(folder: string): Promise<ClockShim | null> {
  if (process.platform !== 'linux') return null;
  mkdirSync(folder, { recursive: true });
  const library = join(folder, 'clock-step.so');
  if (!existsSync(library)) {
    const source = join(folder, 'clock-step.c');
    writeFileSync(source, SOURCE);
    try {
      await promisify(execFile)('cc', ['-shared', '-fPIC', '-O1', '-o', library, source]);
    } catch {
      return null;
    }
  }
  return {
    clock(name) {
      const file = join(folder, `${name}.clock`);
      const set = (byMs: number) => {
        const bytes = Buffer.alloc(8);
        bytes.writeBigInt64LE(BigInt(byMs) * NS_PER_MS);
        // In place: the process has this very file in its memory.
        writeFileSync(file, bytes, { flag: existsSync(file) ? 'r+' : 'w' });
      };
      set(0);
      return { env: { LD_PRELOAD: library, CLOCK_STEP_FILE: file }, step: set };
    },
  };
}
