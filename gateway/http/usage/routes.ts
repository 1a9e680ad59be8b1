/** What is used, was used and may be used: the readings of an organization and its members. */
import type { HttpDeps } from '../deps.ts';
import { newRouter } from '../router.ts';
import { usageAlerts } from './alerts.ts';
import { usageHistory } from './history.ts';
import { usageLimits } from './limits.ts';
import { usageNow } from './now.ts';
import { usageReport } from './report.ts';

export function usageRoutes(deps: HttpDeps) {
  const app = newRouter();
  app.route('/', usageNow(deps));
  app.route('/', usageHistory(deps));
  app.route('/', usageAlerts(deps));
  app.route('/', usageLimits(deps));
  app.route('/', usageReport(deps));
  return app;
}
