// The example as a process. It stands in for a product of yours: "Minutes", which records meetings.
import { fileURLToPath } from 'node:url';
import { createTaximeter } from 'taximeter/server';
import { createApp } from './app.js';
import { makePlans } from './plans.js';

const port = Number(process.env.PORT ?? 3000);
const taximeter = createTaximeter({
  url: process.env.TAXIMETER_URL ?? 'http://localhost:8787',
  apiKey: process.env.TAXIMETER_API_KEY ?? 'dev-key',
});

try {
  await makePlans(taximeter);
} catch (error) {
  console.error(`example: ${error.message}`);
  console.error('example: is Taximeter running? Start it with "npm start" in its own folder.');
  process.exit(1);
}
// The browser's client, as it is published: its own modules, and those it imports.
const packageFolder = fileURLToPath(new URL('..', import.meta.resolve('taximeter/client')));
const server = createApp({ taximeter, packageFolder }).listen(port, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`example: http://localhost:${port}/`);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}
