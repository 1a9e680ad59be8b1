/**
 * One purchase from what can be bought to the minutes that are there. Shows itself as a value, as
 * the meter's client does; it knows nothing of pages. What takes the money is given to `submit`.
 */
import { type Clock, systemClock } from '../clock.ts';
import { Following } from './follow.ts';
import { loadOffers } from './offers.ts';
import { within } from './patience.ts';
import type { PurchaseApi } from './purchase-api.ts';
import { PurchaseProblem } from './purchase-problem.ts';
import { initialPurchaseState, type PurchaseState } from './purchase-state.ts';
import type { Payments, Purchase, PurchaseMethod } from './shapes.ts';
import { troubleOf } from './trouble.ts';

/** A loan is a kindness: what takes the payment does not wait longer for it. */
const HOLD_PATIENCE_MS = 2_000;

/** What became of an attempt to pay, as far as whoever took it could see. */
export type Attempt =
  /** Accepted, on its way, or nobody knows: the gateway will say. */
  | { result: 'sent' }
  | { result: 'declined'; detail: string }
  /** Not complete yet; the form says so by itself. Nothing was sent. */
  | { result: 'incomplete' };

export interface PurchaseFlowOptions {
  api: PurchaseApi;
  currency?: string;
  /** Default: by the page where its key is set, else by a page of Stripe. */
  method?: 'paymentIntent' | 'checkout';
  /** Also ways to pay that leave the page, where Stripe's form is in it. */
  allowRedirects?: boolean;
  /** Where a page of Stripe leads back to. */
  returnUrls?: { success: string; cancel: string };
  clock?: Clock;
  newKey?: () => string;
}

export class PurchaseFlow {
  readonly #options: PurchaseFlowOptions;
  readonly #api: PurchaseApi;
  readonly #clock: Clock;
  readonly #listeners = new Set<(state: PurchaseState) => void>();
  #state: PurchaseState = initialPurchaseState;
  #following: Following | null = null;
  /** Answers to what was asked before are void. */
  #turn = 0;
  /** Of the purchase that is being begun; kept while it is not certain whether it was. */
  #key: { package: string; key: string } | null = null;
  /** Whether asking for minutes on loan is of use: a browser shows every refusal as an error. */
  #mayBeLent = true;

  constructor(options: PurchaseFlowOptions) {
    this.#options = options;
    this.#api = options.api;
    this.#clock = options.clock ?? systemClock;
  }

  readonly getState = (): PurchaseState => this.#state;

  readonly subscribe = (listener: (state: PurchaseState) => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /**
   * From the beginning. A payment that is on its way is left to go on. `recommended`: by the app;
   * null: the package that fits the organization's use.
   */
  async load(recommended: string | null = null): Promise<void> {
    this.#following?.stop();
    this.#following = null;
    this.#turn += 1;
    this.#tell(initialPurchaseState);
    const turn = this.#turn;
    try {
      const { currency } = this.#options;
      const offers = await loadOffers(this.#api, { currency, recommended, clock: this.#clock });
      if (turn !== this.#turn) return;
      this.#tell(offers);
      if (offers.payments?.provider === null) this.#close('notConfigured');
      else if (offers.chosen === null) this.#close('noPackages');
      else this.#tell({ phase: 'choosing' });
    } catch (error) {
      if (turn === this.#turn) this.#tell({ phase: 'closed', trouble: troubleOf(error) });
    }
  }

  choose(chosen: string): void {
    if (this.#state.phase === 'choosing') this.#tell({ chosen, trouble: null });
  }

  /** Begins the payment of the package that is chosen. */
  async start(): Promise<void> {
    const { phase, chosen, payments } = this.#state;
    if (phase !== 'choosing' || chosen === null || payments === null) return;
    this.#tell({ phase: 'starting', trouble: null });
    const turn = this.#turn;
    if (this.#key?.package !== chosen) this.#key = { package: chosen, key: this.#newKey() };
    const { currency, returnUrls, allowRedirects } = this.#options;
    const method = methodOf(payments, this.#options.method);
    try {
      const { clientSecret, checkoutUrl, holdMs, ...purchase } = await this.#api.start(
        {
          package: chosen,
          method,
          ...(currency === undefined ? {} : { currency }),
          ...(allowRedirects === true && { allowRedirects }),
          ...(method === 'checkout' && returnUrls !== undefined
            ? { successUrl: returnUrls.success, cancelUrl: returnUrls.cancel }
            : {}),
        },
        this.#key.key,
      );
      this.#key = null;
      if (turn !== this.#turn) return this.#letGo(purchase);
      this.#mayBeLent = holdMs !== 0;
      this.#tell({ phase: 'paying', purchase, clientSecret, checkoutUrl });
      // Paid at another page: nobody but the gateway can tell.
      if (method === 'checkout') this.#follow();
    } catch (error) {
      // Asked again it must be the same purchase, unless it is certain that there is none.
      if (!(error instanceof PurchaseProblem && error.isUncertain)) this.#key = null;
      if (turn === this.#turn) this.#tell({ phase: 'choosing', trouble: troubleOf(error) });
    }
  }

  /** @param pay takes the money; called once minutes were lent, where the plan lends any */
  async submit(pay: (purchase: Purchase) => Promise<Attempt>): Promise<void> {
    const { phase, purchase, trouble } = this.#state;
    const isAgain = phase === 'confirming' && purchase?.method === 'test';
    if (purchase === null || (phase !== 'paying' && !isAgain)) return;
    const failedBefore = trouble?.kind === 'declined' || purchase.failure !== null;
    // What is heard of an earlier attempt is not of this one.
    this.#following?.stop();
    this.#tell({ phase: 'submitting', trouble: null });
    const turn = this.#turn;
    try {
      if (this.#mayBeLent) await this.#askForHold(purchase.purchase);
      const attempt = await pay(this.#state.purchase ?? purchase);
      if (turn !== this.#turn) return;
      switch (attempt.result) {
        case 'sent':
          this.#tell({ phase: 'confirming' });
          this.#follow(failedBefore);
          return;
        case 'declined':
          this.#tell({ phase: 'paying', trouble: { kind: 'declined', detail: attempt.detail } });
          return;
        case 'incomplete':
          this.#tell({ phase: 'paying' });
          return;
      }
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#tell({ phase: 'paying', trouble: troubleOf(error) });
      // Nobody answered, and it may have been taken all the same: then the gateway hears of it.
      if (error instanceof PurchaseProblem && error.isUncertain) this.#follow(failedBefore);
    }
  }

  /** Another package, or none: what was begun and not paid is ended. */
  back(): void {
    const { phase, purchase } = this.#state;
    // One that is being begun ends as soon as it has.
    if (phase !== 'paying' && phase !== 'starting') return;
    this.#following?.stop();
    this.#turn += 1;
    if (purchase !== null) this.#letGo(purchase);
    const nothing = { purchase: null, clientSecret: null, checkoutUrl: null, trouble: null };
    this.#tell({ phase: 'choosing', ...nothing });
  }

  /** What takes the payment cannot be had. */
  fail(kind: 'script' | 'unavailable', detail: string): void {
    if (this.#state.phase === 'paying') this.#tell({ trouble: { kind, detail } });
  }

  /** It is being fetched once more. */
  retry(): void {
    if (this.#state.phase === 'paying') this.#tell({ trouble: null });
  }

  /** The meter said something that may be this payment. */
  nudge(): void {
    this.#following?.nudge();
  }

  /** For good: nothing more is asked. A payment that is on its way goes on. */
  end(): void {
    this.#following?.stop();
    this.#turn += 1;
  }

  #follow(failedBefore = false): void {
    const { purchase } = this.#state;
    if (purchase === null) return;
    this.#following?.stop();
    // The failure of an earlier attempt is still what the gateway knows, until it hears of this one.
    let isOld = failedBefore;
    this.#following = new Following({
      clock: this.#clock,
      ask: () => this.#api.purchase(purchase.purchase),
      hear: (heard) => {
        if (heard.status !== 'failed') isOld = false;
        return isOld ? false : this.#hear(heard);
      },
      givenUp: () => this.#tell({ givenUp: true }),
    });
  }

  #hear(purchase: Purchase): boolean {
    const trouble = this.#state.trouble;
    switch (purchase.status) {
      case 'paid':
        this.#tell({ phase: 'paid', purchase, trouble: null });
        return true;
      case 'failed': {
        const detail = purchase.failure?.message ?? '';
        this.#tell({ phase: 'paying', purchase, trouble: { kind: 'declined', detail } });
        // On a page of Stripe the next attempt may follow at once.
        return purchase.method !== 'checkout';
      }
      case 'canceled':
        this.#tell({
          phase: 'choosing',
          purchase: null,
          trouble: { kind: 'canceled', detail: '' },
        });
        return true;
      case 'processing':
        this.#tell({ phase: 'confirming', purchase, trouble: null });
        return false;
      default:
        this.#tell({ purchase, trouble });
        return false;
    }
  }

  /** Where none is lent, or nobody says so in time, the payment goes on without. */
  async #askForHold(id: string): Promise<void> {
    const turn = this.#turn;
    const asked = this.#api.hold(id).then((purchase) => {
      const isStill = turn === this.#turn && this.#state.purchase?.purchase === id;
      if (isStill && 'hold' in purchase) this.#tell({ purchase });
    });
    await within(this.#clock, HOLD_PATIENCE_MS, asked);
  }

  /** Not waited for: one that stays open can't be paid by anybody, and costs nothing. */
  #letGo(purchase: Purchase): void {
    const turn = this.#turn;
    this.#api.cancel(purchase.purchase).catch((error: unknown) => {
      // Too late: it is paid, or on its way. Nobody is to pay twice for not having been told.
      const isTaken = error instanceof PurchaseProblem && error.code === 'purchaseEnded';
      if (!isTaken || turn !== this.#turn || this.#state.phase !== 'choosing') return;
      this.#tell({ phase: 'confirming', purchase, trouble: null });
      this.#follow();
    });
  }

  #close(kind: 'notConfigured' | 'noPackages'): void {
    this.#tell({ phase: 'closed', trouble: { kind, detail: '' } });
  }

  #newKey(): string {
    return this.#options.newKey?.() ?? crypto.randomUUID();
  }

  #tell(change: Partial<PurchaseState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) {
      try {
        listener(this.#state);
      } catch (error) {
        // A view that fails must not stop the purchase: the error is shown where errors are shown.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

function methodOf(payments: Payments, wanted: 'paymentIntent' | 'checkout' | undefined) {
  if (payments.provider === 'test') return 'test' satisfies PurchaseMethod;
  if (payments.publishableKey === null || payments.scriptUrl === null) return 'checkout';
  return wanted ?? 'paymentIntent';
}
