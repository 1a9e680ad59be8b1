/** Who may connect at all: exact origins, a cap on sockets, none while draining. */
import { isIP } from 'node:net';
import { networkOf } from './limits/network.ts';
import type { Gate } from './transport/transport.ts';

export interface GateOptions {
  allowedOrigins: readonly string[];
  /** pages of this machine may connect too, and loopback has no cap of its own */
  development: boolean;
  maxSockets: number;
  /** of this process alone; over all of them limits/seats.ts counts */
  maxSocketsPerAddress: number;
  monotonicMs(): number;
}

/** So long an address that has all its sockets elsewhere is refused before its upgrade. */
const FULL_MS = 1_000;

export type TurnAway = { code: 'originNotAllowed' | 'serverFull' | 'draining'; detail: string };

export interface Gatekeeper {
  gate: Gate;
  /** the reason in words, for who asks by fetch after a failed upgrade */
  reason(origin: string | null, address: string): TurnAway | null;
  /** An address of this machine, in development: its sockets are not limited. */
  isExempt(address: string): boolean;
  /** Over all gateways it has as many sockets as it may. */
  full(address: string): void;
  entered(address: string): void;
  left(address: string): void;
  drain(): void;
  readonly sockets: number;
}

export function createGatekeeper(options: GateOptions): Gatekeeper {
  const allowed = new Set(options.allowedOrigins);
  /** by network, and so is the one below */
  const counts = new Map<string, number>();
  const fullUntil = new Map<string, number>();
  let sockets = 0;
  let isDraining = false;

  /** A request without Origin is not a browser: the ticket decides. */
  function isAllowed(origin: string | null): boolean {
    if (origin === null || allowed.has(origin)) return true;
    return options.development && isLoopbackOrigin(origin);
  }

  const isExempt = (address: string) => options.development && isLoopback(address);

  function isFull(address: string): boolean {
    const network = networkOf(address);
    if ((counts.get(network) ?? 0) >= options.maxSocketsPerAddress) return true;
    const until = fullUntil.get(network);
    if (until === undefined) return false;
    if (options.monotonicMs() < until) return true;
    fullUntil.delete(network);
    return false;
  }

  function reason(origin: string | null, address: string): TurnAway | null {
    if (!isAllowed(origin)) {
      const detail = `Pages of ${origin} may not connect. Add it to ALLOWED_ORIGINS if they should.`;
      return { code: 'originNotAllowed', detail };
    }
    if (isDraining) {
      return { code: 'draining', detail: 'This gateway is stopping: connect to another one.' };
    }
    if (sockets >= options.maxSockets || (!isExempt(address) && isFull(address))) {
      const detail = 'There are as many connections as this gateway takes: try again shortly.';
      return { code: 'serverFull', detail };
    }
    return null;
  }

  return {
    ...{ reason, isExempt },
    full(address) {
      const now = options.monotonicMs();
      // What is over goes with what comes, so that addresses that never return leave nothing behind.
      for (const [other, until] of fullUntil) if (until <= now) fullUntil.delete(other);
      fullUntil.set(networkOf(address), now + FULL_MS);
    },
    gate(origin, address) {
      const why = reason(origin, address);
      if (!why) return null;
      return { status: why.code === 'originNotAllowed' ? 403 : 503, reason: why.detail };
    },
    entered(address) {
      sockets += 1;
      const network = networkOf(address);
      counts.set(network, (counts.get(network) ?? 0) + 1);
    },
    left(address) {
      sockets -= 1;
      const network = networkOf(address);
      const others = (counts.get(network) ?? 1) - 1;
      if (others === 0) counts.delete(network);
      else counts.set(network, others);
    },
    drain() {
      isDraining = true;
    },
    get sockets() {
      return sockets;
    },
  };
}

function isLoopback(address: string): boolean {
  const plain = address.replace(/^::ffff:/, '');
  return plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'));
}

function isLoopbackOrigin(origin: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { hostname } = new URL(origin);
  return hostname === 'localhost' || isLoopback(hostname.replace(/^\[|\]$/g, ''));
}
