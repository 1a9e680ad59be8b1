/**
 * Routes that are agreed and not in the API document yet. What the document has goes before what
 * stands here (routes.ts), so that an entry may go once `npm run generate` has brought its route.
 */
import type { components } from './api.mjs';

type Schemas = components['schemas'];

interface Ok<Content, Type extends string = 'application/json'> {
  headers: object;
  content: { [K in Type]: Content };
}
interface Json<Body> {
  content: { 'application/json': Body };
}
interface OrgPath {
  org: string;
}
interface SessionPath {
  session: string;
}

export interface AheadPaths {
  '/v1/orgs/{org}/consume': {
    post: {
      parameters: { path: OrgPath };
      requestBody: Json<{ user: string; feature: string; quantity?: number }>;
      responses: { 200: Ok<AheadConsumed> };
    };
  };
  '/v1/orgs/{org}/consume/undo': {
    post: {
      parameters: { path: OrgPath };
      requestBody: Json<{ consumption: string } | { idempotencyKey: string }>;
      responses: { 200: Ok<{ consumption: string; quantity: number }> };
    };
  };
  '/v1/orgs/{org}/minutes': {
    post: {
      parameters: { path: OrgPath };
      requestBody: Json<{ session: string; totalMs: number; user?: string }>;
      responses: { 200: Ok<Schemas['SessionSummary']> };
    };
  };
  '/v1/orgs/{org}/sessions': {
    post: {
      parameters: { path: OrgPath };
      requestBody: Json<{ user: string; session?: string; plannedMs?: number }>;
      responses: { 201: Ok<Schemas['SessionSummary']> };
    };
  };
  '/v1/sessions/{session}/end': {
    post: {
      parameters: { path: SessionPath; query?: { org?: string } };
      requestBody: Json<{ totalMs?: number }>;
      responses: { 200: Ok<Schemas['SessionSummary']> };
    };
  };
  '/v1/orgs/{org}/usage-events': {
    post: {
      parameters: { path: OrgPath };
      requestBody: Json<{
        user?: string;
        kind: string;
        quantity: number;
        costCents?: number;
        metadata?: Record<string, string>;
      }>;
      responses: { 201: Ok<Record<string, unknown>> };
    };
  };
  '/v1/orgs/{org}/usage/history': {
    get: {
      parameters: { path: OrgPath; query?: { by?: 'day' | 'month'; user?: string } };
      responses: { 200: Ok<{ items: Record<string, unknown>[] }> };
    };
  };
  '/v1/orgs/{org}/usage/report': {
    get: {
      parameters: { path: OrgPath; query?: Record<string, string> };
      responses: { 200: Ok<string, 'text/csv'> };
    };
  };
  '/v1/orgs/{org}/periods/reset': {
    post: {
      parameters: { path: OrgPath };
      requestBody: Json<{ reason: string }>;
      responses: { 200: Ok<Record<string, unknown>> };
    };
  };
}

interface AheadConsumed {
  /** Names it, to give it back. */
  consumption: string;
  used: number;
  limit: number | null;
  remaining: number | null;
  resetsAt: string | null;
}
