/** Shows how far the run is: a bar on a terminal, a line now and then where there is none. */
import { Presets, SingleBar } from 'cli-progress';
import type { FleetCount } from './fleet.ts';

const LINE_EVERY_MS = 10_000;

export interface Progress {
  at(passedMs: number, count: FleetCount, beatsPerSecond: number): void;
  stop(): void;
}

function words({ live, away, over, refused, stops }: FleetCount, beatsPerSecond: number): string {
  const parts = [`${live} live`, `${away} away`, `${over} over`, `${stops} stopped at a limit`];
  if (refused > 0) parts.push(`${refused} refused`);
  return `${parts.join(', ')}, ${beatsPerSecond.toFixed(0)} beats/s`;
}

export function startProgress(lengthMs: number, stream: NodeJS.WriteStream): Progress {
  const totalSeconds = Math.ceil(lengthMs / 1_000);
  const seconds = (passedMs: number) =>
    Math.max(0, Math.min(totalSeconds, Math.round(passedMs / 1_000)));
  if (!stream.isTTY) {
    let saidAtMs = Number.NEGATIVE_INFINITY;
    return {
      at(passedMs, count, beatsPerSecond) {
        if (passedMs - saidAtMs < LINE_EVERY_MS) return;
        saidAtMs = passedMs;
        const where = `${seconds(passedMs)} of ${totalSeconds} s`;
        stream.write(`taximeter: ${where}: ${words(count, beatsPerSecond)}\n`);
      },
      stop() {},
    };
  }
  const bar = new SingleBar(
    { stream, hideCursor: true, format: '{bar} {value}/{total} s  {words}', barsize: 24 },
    Presets.shades_classic,
  );
  bar.start(totalSeconds, 0, { words: 'starting' });
  return {
    at: (passedMs, count, beatsPerSecond) =>
      bar.update(seconds(passedMs), { words: words(count, beatsPerSecond) }),
    stop: () => bar.stop(),
  };
}
