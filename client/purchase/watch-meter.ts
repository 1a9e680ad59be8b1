/** What the meter of a running recorder tells of purchases, sooner than the next question would. */
import type { MeterClient } from '../meter-client.ts';
import { isLive, type MeterState } from '../state.ts';

/** More than the rounding of a reading; less than anybody buys. */
const GROWN_MS = 1_000;

export interface MeterHints {
  /** A warning was withdrawn, the source changed, or there is more left than before. */
  maybePaid(): void;
  /** Stopped for want of minutes, and the recording is looked after. Once a session. */
  stopped(recommended: string | undefined): void;
}

export function watchMeter(meter: MeterClient, hints: MeterHints): () => void {
  let before = meter.getState();
  let stopped = false;
  return meter.subscribe((state, event) => {
    const type = event.type === 'message' ? event.message.type : null;
    if (type === 'recovered' || type === 'source' || hasGrown(before, state)) hints.maybePaid();
    const buy = state.stop?.actions.find((action) => action.type === 'buyExtraMinutes');
    const isSafe = state.save === 'saved' || state.save === 'failed';
    if (!stopped && isSafe && buy !== undefined && state.stop?.reason === 'limitReached') {
      stopped = true;
      hints.stopped(buy.package);
    }
    if (isLive(state) && state.stop === null) stopped = false;
    before = state;
  });
}

function hasGrown(before: MeterState, now: MeterState): boolean {
  const [was, is] = [before.reading?.remainingMs ?? null, now.reading?.remainingMs ?? null];
  return was !== null && is !== null && is > was + GROWN_MS;
}
