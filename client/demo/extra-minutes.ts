/** Extra minutes on the page: what is left of them, what was bought, and the dialog to buy more. */
import {
  type Action,
  type MeterClient,
  type Purchase,
  PurchaseDialog,
  type PurchaseReason,
  purchaseSentences,
} from '../index.ts';
import { fetchTicket } from './demo-api.ts';
import { element, setText } from './element.ts';
import { dayAndTime, left } from './format.ts';
import type { Toasts } from './toasts.ts';

export interface ExtraMinutesOptions {
  toasts: Toasts;
  method: 'paymentIntent' | 'checkout';
  /** There is more than before. */
  changed(): void;
}

export class ExtraMinutes {
  readonly #dialog: PurchaseDialog;
  readonly #options: ExtraMinutesOptions;
  readonly #balance = element('extra-balance');
  readonly #list = element('purchases');
  readonly #template = element<HTMLTemplateElement>('purchase');
  #endWatch: () => void = () => {};
  /** How often it was asked for. */
  #shows = 0;

  constructor(org: string, user: string, options: ExtraMinutesOptions) {
    this.#options = options;
    this.#dialog = new PurchaseDialog({
      org,
      url: location.origin,
      getTicket: () => fetchTicket(user),
      method: options.method,
      onPaid: (purchase) => this.#paid(purchase),
    });
    element('buy').addEventListener('click', () => this.buy('asked'));
  }

  buy(reason: PurchaseReason, action?: Action): void {
    // A warning it was opened from may have gone when it is closed.
    this.#dialog.open({ reason, package: action?.package, returnFocusTo: element('buy') });
  }

  /** The recorder that runs now. */
  watch(meter: MeterClient): void {
    this.#endWatch();
    this.#endWatch = this.#dialog.watch(meter);
  }

  /** Without an answer the page just does not say. Of several at a time the latest is shown. */
  async show(): Promise<void> {
    const { api } = this.#dialog;
    const asked = ++this.#shows;
    try {
      const [balance, history, { payments }] = await Promise.all([
        api.balance(),
        api.history(),
        api.packages(),
      ]);
      if (asked !== this.#shows) return;
      setText(this.#balance, left(balance.remainingMs));
      this.#showHistory(history.items);
      const isTest = payments.provider === 'test';
      setText(element('payments-note'), isTest ? `${purchaseSentences.testTitle}.` : '');
    } catch {
      if (asked === this.#shows) setText(this.#balance, '–');
    }
  }

  #paid(purchase: Purchase): void {
    const { length, paid } = purchaseSentences;
    if (!this.#dialog.isOpen) {
      this.#options.toasts.show('paid', paid(length(purchase.grantedMs)), 'extra');
    }
    this.#options.changed();
    void this.show();
  }

  #showHistory(purchases: readonly Purchase[]): void {
    element('no-purchases').hidden = purchases.length > 0;
    setText(element('history-count'), purchases.length > 0 ? `(${purchases.length})` : '');
    this.#list.replaceChildren(...purchases.map((purchase) => this.#item(purchase)));
  }

  #item(purchase: Purchase): HTMLElement {
    const content = this.#template.content.firstElementChild as HTMLElement;
    const item = document.importNode(content, true);
    const { length, price, status } = purchaseSentences;
    const { grantedMs, amountCents, currency, livemode } = purchase;
    item.dataset.status = purchase.status;
    item.querySelector('.what')!.textContent = length(grantedMs);
    const when = dayAndTime(Date.parse(purchase.startedAt));
    item.querySelector('.when')!.textContent = `${price(amountCents, currency)} · ${when}`;
    const test = livemode ? '' : ' (test)';
    item.querySelector('.state')!.textContent = `${status(purchase)}${test}`;
    return item;
  }
}
