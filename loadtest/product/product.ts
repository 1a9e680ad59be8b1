/** What a load test needs of the product it runs against. */
export interface Product {
  /** of its gateways, ws */
  urls: string[];
  /** of the same gateways, http; left out where they are not ours to look at */
  operationsUrls?: string[];
  apiKey: string;
  redisUrl: string;
  databaseUrl: string;
  /** processes to measure, by name; empty where they are not ours to look at */
  pids: ReadonlyMap<string, number>;
  /** what happened to its processes that should not have: an end, a restart */
  incidents: string[];
  stop(): Promise<void>;
}
