// The whole backend of "Minutes". It has no table of minutes, no counter and no limit of its own.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import express from 'express';
import { metered, requireMinutes, ticketEndpoint } from 'taximeter/express';
import { TaximeterProblem } from 'taximeter/server';
import { joinTeam } from './plans.js';
import { createSignIn } from './sign-in.js';

const PAGE_FOLDER = fileURLToPath(new URL('public', import.meta.url));

/** `packageFolder`: where the package's build is, whose browser client the page loads. */
export function createApp({ taximeter, packageFolder }) {
  const app = express();
  const signIn = createSignIn();
  const who = signIn.who;
  const gate = { taximeter, who };

  /** Everything below it is for somebody. */
  function signedIn(request, response, next) {
    response.locals.who = who(request);
    if (response.locals.who) next();
    else response.status(401).json({ detail: 'Sign up first.' });
  }

  app.use(express.json());
  app.use(express.static(PAGE_FOLDER));
  for (const folder of ['client', 'core/protocol']) {
    app.use(`/taximeter/${folder}`, express.static(join(packageFolder, folder)));
  }

  app.post('/sign-up', async (request, response) => {
    const { org, user } = request.body;
    await joinTeam(taximeter, { org, user });
    signIn.let({ org, user }, response);
    response.status(201).json({ org, user });
  });

  // A recorder connects with this; what it records is metered there, not here.
  app.post('/ticket', ticketEndpoint(gate));

  // Asked before somebody sets out to record for so long; nothing is reserved.
  const asks = (request) => ({ plannedMs: request.body.plannedMs });
  app.post('/meetings', requireMinutes({ ...gate, asks }), (request, response) => {
    response.status(201).json({ title: request.body.title ?? 'Meeting' });
  });

  // Counted by the piece, and given back where it fails.
  const exports = metered({ ...gate, feature: 'export', countOn: 'success' });
  app.post('/exports', exports, (request, response) => {
    if (!request.body.meeting) return response.status(422).json({ detail: 'Name a meeting.' });
    response.status(201).json({ file: `${request.body.meeting}.pdf` });
  });

  app.get('/usage', signedIn, async (_request, response) => {
    const { org, user } = response.locals.who;
    const [ofAll, own, { plan }] = await Promise.all([
      taximeter.usage(org),
      taximeter.usage(org, { user }),
      taximeter.organizations.get(org),
    ]);
    response.json({ plan, ofAll, own });
  });

  app.get('/history', signedIn, async (_request, response) => {
    response.json(await taximeter.history(response.locals.who.org, { by: 'day' }));
  });

  app.get('/report.csv', signedIn, async (_request, response) => {
    response
      .type('text/csv')
      .send(await taximeter.report(response.locals.who.org, { by: 'member' }));
  });

  // Who records now goes on with the new plan, within a second.
  app.post('/upgrade', signedIn, async (_request, response) => {
    const { org } = response.locals.who;
    const organization = await taximeter.organizations.get(org);
    response.json(await taximeter.organizations.put(org, { ...organization, plan: 'pro' }));
  });

  app.put('/members/:user', signedIn, async (request, response) => {
    const { minutes } = request.body;
    const { org } = response.locals.who;
    response.json(await taximeter.members.put(org, request.params.user, { minutes }));
  });

  app.use((error, _request, response, next) => {
    if (response.headersSent) return next(error);
    // What the product says of wrong ids or numbers is for whoever sent them; the rest is ours.
    const isTheirs = error instanceof TaximeterProblem && error.status === 422;
    if (!isTheirs) console.error(error);
    const detail = isTheirs ? error.detail : 'Something went wrong here.';
    response.status(isTheirs ? 422 : 500).json({ detail });
  });
  return app;
}
