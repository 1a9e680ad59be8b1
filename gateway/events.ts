/** What the meter's events mean for the sessions here. Losing one costs nothing (rule 8). */
import type { MeterEvent } from '../core/meter/rows.ts';
import type { Budgets } from './budgets.ts';
import type { Following } from './following.ts';
import type { Hub } from './hub.ts';
import type { Recovery } from './recovery.ts';
import { isNewer } from './session.ts';
import type { Ending } from './stopping.ts';

export interface EventsOptions {
  hub: Hub;
  budgets: Budgets;
  ending: Ending;
  following: Following;
  recovery: Recovery;
  /** for what goes on beside */
  aside(work: Promise<void>): void;
}

export function createEvents(options: EventsOptions): (event: MeterEvent) => void {
  const { hub, budgets, ending, following, recovery } = options;

  return function heard(event) {
    switch (event.kind) {
      case 'budget':
        if (event.row.name.startsWith('s|')) following.drawOwn(event.row);
        return budgets.apply([event.row]);
      case 'stop': {
        const session = hub.get(event.org, event.session);
        if (session) ending.stop(session, 'stoppedByOperator', 'session');
        return;
      }
      case 'superseded': {
        const session = hub.get(event.org, event.session);
        if (session && isNewer(event.epoch, session.epoch)) following.superseded(session);
        return;
      }
      case 'retired':
        return hub.forget(event.org, event.session);
      case 'recovered':
        return options.aside(recovery.recovered(event.shard));
    }
  };
}
