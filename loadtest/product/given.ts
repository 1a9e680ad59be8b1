/** A product that runs already, named by --url, with its stores for the audit. */
import type { Product } from './product.ts';

export interface GivenProductOptions {
  urls: string[];
  apiKey: string;
  redisUrl: string | undefined;
  databaseUrl: string | undefined;
}

/** @throws Error that says what is missing */
export function givenProduct(options: GivenProductOptions): Product {
  const { urls, apiKey, redisUrl, databaseUrl } = options;
  if (!redisUrl || !databaseUrl) {
    const missing = [!redisUrl && 'REDIS_URL', !databaseUrl && 'DATABASE_URL'].filter(Boolean);
    throw new Error(
      `${missing.join(' and ')} must name the stores of the product at ${urls[0]}: ` +
        'the audit compares what recorders were told with what stands there.',
    );
  }
  const wsUrls = urls.map((url) => {
    if (!URL.canParse(url))
      throw new Error(`--url must be a URL like http://host:8787, not "${url}".`);
    return new URL(url).href.replace(/^http/, 'ws').replace(/\/$/, '');
  });
  return {
    ...{ urls: wsUrls, apiKey, redisUrl, databaseUrl, pids: new Map(), incidents: [] },
    async stop() {},
  };
}
