/** One purchase with the product's own decisions (merging, targets, changes), and only its rows in memory. */
import type { Fact } from '../../payments/facts.ts';
import { lotTarget } from '../../payments/lot-target.ts';
import { mergeFact, type PaymentFacts } from '../../payments/merge-fact.ts';
import { changeOf } from './payment-lots.ts';
import type { History } from './test-histories.ts';
import type { Worth } from './test-history-model.ts';

interface LotRow {
  usedMs: number;
  reversedMs: number;
  takenMs: number;
  isFrozen: boolean;
  isHeld: boolean;
}

export class HistoryLot {
  private state: PaymentFacts;
  private lot: LotRow | null = null;

  constructor({ grantedMs, amountCents, holdMs }: History) {
    this.state = {
      ...{ status: 'open', statusAt: null, grantedMs, amountCents, holdMs, holdEnded: false },
      ...{ chargeRefundedCents: 0, refunds: [], disputes: [] },
    };
    this.open();
  }

  hear(fact: Fact): void {
    this.state = mergeFact(this.state, fact);
    this.open();
  }

  endHold(): void {
    if (this.state.status !== 'paid') this.state = { ...this.state, holdEnded: true };
  }

  use(ms: number): void {
    if (this.lot !== null) this.lot.usedMs += Math.min(ms, this.worth().leftMs);
  }

  takeBack(ms: number): void {
    this.carryOut();
    if (this.lot === null || this.lot.isHeld) return;
    const part = Math.min(ms, Math.max(0, this.leftMs(this.lot)));
    this.lot.takenMs += part;
    this.lot.reversedMs += part;
  }

  carryOut(): void {
    const { lot, state } = this;
    if (lot === null) return;
    const change = changeOf({
      ...{ ...state, ...lot, org: 'acme', lot: 'lot', debtMs: this.worth().debtMs },
      ...{ isExpired: false, paidAt: 0, expiresAfterDays: null },
    });
    Object.assign(lot, change?.to);
  }

  worth(): Worth {
    if (this.lot === null) return { leftMs: 0, debtMs: 0 };
    const leftMs = this.leftMs(this.lot);
    return {
      leftMs: this.lot.isFrozen ? 0 : Math.max(0, leftMs),
      debtMs: Math.max(0, -leftMs),
    };
  }

  private leftMs({ reversedMs, usedMs }: LotRow): number {
    return this.state.grantedMs - reversedMs - usedMs;
  }

  private open(): void {
    const target = this.lot === null ? lotTarget(this.state) : null;
    if (target !== null) this.lot = { ...target, usedMs: 0, takenMs: 0 };
  }
}
