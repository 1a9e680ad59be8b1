/** A session gets its wire: whoever had it is closed, `started` is said, then whatever is due. */
import { shardOf } from '../core/meter/keys.ts';
import type { Admitted } from './admission.ts';
import type { Following } from './following.ts';
import type { Hub } from './hub.ts';
import type { LotWatch } from './lot-watch.ts';
import type { Minutes } from './minutes.ts';
import { dismiss, GOES_ON_ELSEWHERE, type Wire } from './session.ts';
import type { Telling } from './telling.ts';
import type { Words } from './words.ts';

export interface BindingOptions {
  hub: Hub;
  following: Following;
  telling: Telling;
  lots: Pick<LotWatch, 'began'>;
  minutes: Pick<Minutes, 'ready'>;
  words: Pick<Words, 'say'>;
  monotonicMs(): number;
  /** for what goes on beside */
  aside(work: Promise<void>): void;
}

export type Bind = (admitted: Admitted, wire: Wire) => void;

export function createBinding(options: BindingOptions): Bind {
  const { hub, following, telling, lots, minutes, words, monotonicMs } = options;

  return function bind({ session, opened }, wire) {
    const earlier = hub.get(session.org, session.id);
    const earlierWire = earlier?.wire;
    if (earlier) {
      earlier.wire = null;
      earlier.phase = { kind: 'elsewhere' };
    }
    hub.add(session);
    following.join(session, opened.session, opened.budgets);
    minutes.ready(shardOf(session.org), opened.minutes);
    session.wire = wire;
    session.heardAt = monotonicMs();
    if (earlierWire) dismiss(earlierWire, 'superseded', GOES_ON_ELSEWHERE);
    // Time begins at the sending of `started` (rule 2).
    if (opened.status === 'opened') session.stopwatch.provenAt = monotonicMs();
    wire.send(telling.started(session, opened.status === 'resumed'));
    lots.began(session);
    // The meter dated it when it let it in; what it runs out at is reckoned from here on.
    if (opened.status === 'opened') words.say(session);
    if (opened.session.stoppedBy !== '') options.aside(following.findStop(session));
    else following.review(session);
  };
}
