/** Who asks, and what they may see. Nothing is allowed to a ticket unless a route says so. */
import type { TicketClaims } from '../tickets.ts';
import { ProblemError } from './problem.ts';

export interface KeyPrincipal {
  kind: 'key';
  /** Of the key, never the key itself. */
  id: string;
  /** null = all organizations of this installation */
  orgs: readonly string[] | null;
  /** Of core/runtime/api-key.ts; null = all. scopes.ts holds them, by route. */
  scopes: readonly string[] | null;
}
export interface TicketPrincipal {
  kind: 'ticket';
  claims: TicketClaims;
}
export type Principal = KeyPrincipal | TicketPrincipal;

/** The name under which the audit log and idempotency keys know the caller. */
export function actorOf(principal: Principal): string {
  if (principal.kind === 'key') return `key:${principal.id}`;
  return `member:${principal.claims.org}:${principal.claims.user}`;
}

/** For the backend's routes of the whole installation: a key that is not scoped. */
export function requireInstallation(principal: Principal): KeyPrincipal {
  const key = requireBackend(principal);
  if (key.orgs !== null)
    throw notAllowed('This API key is scoped to some organizations; this needs one that is not.');
  return key;
}

/** For the backend's routes: an API key, and one that sees this organization. */
export function requireBackend(principal: Principal, org?: string): KeyPrincipal {
  if (principal.kind === 'ticket') {
    throw notAllowed('This needs an API key: a ticket only reads its own member and organization.');
  }
  if (org !== undefined && principal.orgs !== null && !principal.orgs.includes(org)) {
    // The same answer whether it exists or not.
    throw notAllowed(`This API key is not for the organization "${org}".`);
  }
  return principal;
}

/** For routes that a member's browser may call too: figures of its own organization. */
export function requireOrganization(principal: Principal, org: string): void {
  if (principal.kind === 'key') {
    requireBackend(principal, org);
    return;
  }
  requireReading(principal);
  if (principal.claims.org !== org) {
    throw notAllowed(`This ticket is not for the organization "${org}".`);
  }
}

/** As above, for what belongs to one member. */
export function requireMember(principal: Principal, org: string, user: string): void {
  requireOrganization(principal, org);
  if (principal.kind === 'ticket' && principal.claims.user !== user) {
    throw notAllowed(`This ticket is not for the member "${user}".`);
  }
}

/**
 * For what is bought: the backend, or a member whose ticket says that it may buy.
 * @returns the member; null: the backend
 */
export function requireBuyer(principal: Principal, org: string): string | null {
  if (principal.kind === 'key') {
    requireBackend(principal, org);
    return null;
  }
  const { claims } = principal;
  if (claims.org !== org) throw notAllowed(`This ticket is not for the organization "${org}".`);
  if (!claims.scopes.includes('buy')) {
    throw notAllowed('This ticket has no scope "buy": mint one that has, or use an API key.');
  }
  return claims.user;
}

function requireReading({ claims }: TicketPrincipal): void {
  if (!claims.scopes.includes('read')) {
    throw notAllowed('This ticket has no scope "read": mint one that has, or use an API key.');
  }
}

function notAllowed(detail: string): ProblemError {
  return new ProblemError('notAllowed', detail);
}
