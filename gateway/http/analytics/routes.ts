/** How extra minutes sell, which package fits, and whether payments are as Stripe has them. */
import type { HttpDeps } from '../deps.ts';
import { newRouter } from '../router.ts';
import { extraMinutesAnalytics } from './extra-minutes.ts';
import { paymentCheckRoutes } from './payment-checks.ts';
import { recommendation } from './recommendation.ts';

export function analyticsRoutes(deps: HttpDeps) {
  const app = newRouter();
  app.route('/', extraMinutesAnalytics(deps));
  app.route('/', recommendation(deps));
  app.route('/', paymentCheckRoutes(deps));
  return app;
}
