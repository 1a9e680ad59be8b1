/** Lets in who has minutes left. Asks, and reserves nothing: the session itself is metered. */
import { type Awaitable, decide, type Gate, type GateOptions, whoAsks } from './gate.ts';
import { NOT_SIGNED_IN, refusalOfCheck } from './refusal.ts';
import type { Check, CheckBody } from './taximeter.ts';

export interface MinutesOptions<R> extends GateOptions<R> {
  /** What would be recorded or uploaded, as far as it is known before. */
  asks?: (request: R) => Awaitable<Omit<CheckBody, 'user'>>;
}

export function minutesGate<R>(options: MinutesOptions<R>): Gate<R> {
  return async (request) => {
    const who = await whoAsks(options, request);
    if (who === null) return { refusal: NOT_SIGNED_IN };
    const asks = (await options.asks?.(request)) ?? {};
    return decide(options, request, who, null, async () => {
      const check = await options.taximeter.check(who.org, { ...asks, user: who.user });
      if (!check.allowed) return { refusal: refusalOfCheck(check) };
      return { headers: headersOf(check), giveBack: null };
    });
  };
}

function headersOf({ reading }: Check): Record<string, string> {
  const headers: Record<string, string> = {
    'taximeter-remaining-ms': String(reading.remainingMs ?? 'unlimited'),
  };
  if (reading.periodEndsAt !== null) headers['taximeter-resets-at'] = reading.periodEndsAt;
  return headers;
}
