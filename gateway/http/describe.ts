/**
 * Prints the OpenAPI document of a production gateway, without any store: what `npm run generate`
 * makes the types of the server's client from.
 */
import { createHttp } from './app.ts';
import type { HttpDeps } from './deps.ts';

// Routes are described here and never asked: nothing of what they would need is there.
// The types are the same in every version that has these routes.
const deps = { version: '0', development: false, allowedOrigins: [] } as unknown as HttpDeps;
const response = await createHttp(deps).request('/openapi.json');
if (!response.ok) throw new Error(`/openapi.json was answered ${response.status}`);
process.stdout.write(await response.text());
