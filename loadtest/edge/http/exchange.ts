/** One request as it is sent, and what it was answered. */
import type { Scene } from './pool.ts';

/** `tenant` may do everything, for another organization; `scoped` may read, for this one. */
export type Credentials = 'key' | 'ticket' | 'scoped' | 'tenant' | 'none' | 'wrong';

export interface ApiRequest {
  /** with its query; begins with a slash */
  path: string;
  headers: Record<string, string>;
  body: string | null;
  credentials: Credentials;
  /** which of the gateways; counts, and goes round */
  gateway: number;
  /** whether what stands in the path may have made it another one */
  isPathHostile: boolean;
  /** what it is about, as far as it says */
  scene: Scene;
}

export interface ApiAnswer {
  status: number;
  type: string;
  text: string;
}
