/**
 * What a purchase is worth, from the rules in words and from all that was ever heard, without a look at
 * how the product does it: it keeps no state of a payment, no target and no `reversed_ms`.
 *
 * - A purchase is paid as soon as anybody said so, and never again anything else.
 * - Money that went back, or was lost to a dispute, takes as large a part of the minutes with it, rounded
 *   for the customer; all of the money takes all of the minutes.
 * - A refund that failed or was called off took nothing, and so does a dispute that was won.
 * - Where the same was told with several amounts, the largest of those counts that say the furthest it came.
 * - While a dispute is open, nothing is used of what it is about.
 * - Minutes are lent until the purchase is paid, called off, or the loan ends.
 * - What was taken by hand stays taken. What was used stays used, and is owed where it was not paid for.
 */
import type { Fact } from '../../payments/facts.ts';
import type { History } from './test-histories.ts';

export interface Worth {
  /** to be used still */
  leftMs: number;
  debtMs: number;
}

interface Standing {
  paidForMs: number;
  isFrozen: boolean;
}

export class HistoryModel {
  private readonly heard: Fact[] = [];
  private readonly of: History;
  private isLoanOver = false;
  private usedMs = 0;
  private takenMs = 0;
  /** as it was last carried out; null: no minutes yet */
  private standing: Standing | null = null;

  constructor(of: History) {
    this.of = of;
    if (of.holdMs > 0) this.carryOut();
  }

  hear(fact: Fact): void {
    this.heard.push(fact);
    // What is bought serves at once; what changes it is carried out.
    if (this.standing === null && this.isPaid()) this.carryOut();
  }

  endHold(): void {
    if (!this.isPaid()) this.isLoanOver = true;
  }

  use(ms: number): void {
    this.usedMs += Math.min(ms, this.worth().leftMs);
  }

  takeBack(ms: number): void {
    this.carryOut();
    if (this.standing === null || !this.isPaid()) return;
    this.takenMs += Math.min(ms, Math.max(0, this.standing.paidForMs - this.takenMs - this.usedMs));
  }

  carryOut(): void {
    if (this.isPaid()) {
      const isFrozen = this.disputes().includes('open');
      this.standing = { paidForMs: this.paidForMs(), isFrozen };
    } else if (this.of.holdMs > 0) {
      const isLent = !this.isLoanOver && !this.wasSaid('canceled');
      this.standing = { paidForMs: isLent ? this.of.holdMs : 0, isFrozen: false };
    }
  }

  worth(): Worth {
    if (this.standing === null) return { leftMs: 0, debtMs: 0 };
    const { paidForMs, isFrozen } = this.standing;
    const mineMs = Math.max(0, paidForMs - this.takenMs);
    return {
      leftMs: isFrozen ? 0 : Math.max(0, mineMs - this.usedMs),
      debtMs: Math.max(0, this.usedMs - mineMs),
    };
  }

  private wasSaid(status: string): boolean {
    return this.heard.some((fact) => fact.kind === 'status' && fact.status === status);
  }

  private isPaid(): boolean {
    return this.wasSaid('paid');
  }

  /** Of each dispute, what came of it as far as anybody knows. */
  private disputes(): ('open' | 'over' | number)[] {
    const all = this.heard.filter((fact) => fact.kind === 'dispute');
    return [...new Set(all.map(({ id }) => id))].map((id) => {
      const mine = all.filter((fact) => fact.id === id);
      const was = (status: string) => mine.some((fact) => fact.status === status);
      if (was('won') || !(was('open') || was('lost'))) return 'over';
      return was('lost') ? most(mine.filter((it) => it.status === 'lost')) : 'open';
    });
  }

  private refundedCents(): number {
    const all = this.heard.filter((fact) => fact.kind === 'refund');
    const isOff = (id: string) =>
      all.some((it) => it.id === id && (it.status === 'failed' || it.status === 'canceled'));
    const each = new Map(all.map(({ id }) => [id, amountOf(all.filter((it) => it.id === id))]));
    const sum = (off: boolean) =>
      [...each].reduce((total, [id, cents]) => total + (isOff(id) === off ? cents : 0), 0);
    const ofCharge = this.heard.map((it) => (it.kind === 'charge' ? it.refundedCents : 0));
    return Math.max(sum(false), Math.max(0, ...ofCharge) - sum(true));
  }

  private paidForMs(): number {
    const { grantedMs, amountCents } = this.of;
    const lost = this.disputes().reduce<number>((sum, it) => sum + (Number(it) || 0), 0);
    const keptCents = amountCents - this.refundedCents() - lost;
    if (keptCents <= 0) return 0;
    // Rounded up: in whole milliseconds, for the customer.
    const [granted, kept, all] = [BigInt(grantedMs), BigInt(keptCents), BigInt(amountCents)];
    return Number((granted * kept + all - 1n) / all);
  }
}

const REFUND_LIFE = ['pending', 'requiresAction', 'succeeded', 'failed', 'canceled'];

/** Of one refund. */
function amountOf(told: readonly { cents: number; status: string }[]): number {
  const furthest = REFUND_LIFE.findLast((status) => told.some((it) => it.status === status));
  return most(told.filter(({ status }) => status === furthest));
}

const most = (told: readonly { cents: number }[]) => Math.max(...told.map(({ cents }) => cents));
