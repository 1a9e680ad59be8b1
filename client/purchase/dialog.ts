/**
 * The purchase dialog as plain DOM: opened from a warning, at the limit, or by a button. The flow
 * says what holds, the steps show it. A recording that runs is never touched.
 */
import type { MeterClient } from '../meter-client.ts';
import type { GetTicket } from '../ticket-source.ts';
import { chooseStep, noteStep } from './choose-step.ts';
import { make, makeButton, say } from './make.ts';
import { Modal } from './modal.ts';
import { type PayStep, payStep } from './pay-step.ts';
import { PurchaseApi } from './purchase-api.ts';
import { PurchaseFlow } from './purchase-flow.ts';
import type { PurchaseState, TroubleKind } from './purchase-state.ts';
import { type PurchaseReason, type PurchaseSentences, purchaseSentences } from './sentences.ts';
import type { Purchase } from './shapes.ts';
import { watchMeter } from './watch-meter.ts';

const COUNTED_EVERY_MS = 500;
const WORTH_TRYING: readonly TroubleKind[] = ['unreachable', 'unavailable', 'unexpected'];

export interface PurchaseDialogOptions {
  org: string;
  /** A ticket with the scopes `read` and `buy`. */
  getTicket: GetTicket;
  /** The gateway; left out: the `url` that comes with the ticket. */
  url?: string;
  currency?: string;
  /** `checkout`: no Stripe in this page, a link to a page of Stripe instead. */
  method?: 'paymentIntent' | 'checkout';
  /** Also ways to pay that leave the page. They interrupt a recording that runs in it. */
  allowRedirects?: boolean;
  /** Where ways to pay that leave the page lead back to. Default: this page. */
  returnUrl?: string;
  /** In another language, whole or in part. */
  sentences?: Partial<PurchaseSentences>;
  /** How amounts are written; a BCP 47 tag. Default: as the reader's browser does. */
  locale?: string;
  /** Its minutes are there; also when the dialog was closed meanwhile. */
  onPaid?: (purchase: Purchase) => void;
  fetch?: typeof fetch;
}

export interface OpenOptions {
  reason?: PurchaseReason;
  /** The package that is recommended, and chosen at first. Left out: the one that fits the use. */
  package?: string | undefined;
  /**
   * Is given the focus when the dialog is closed and what had it before is gone, as the button of a note
   * that comes and goes. Left out: what is nearest to that.
   */
  returnFocusTo?: HTMLElement | undefined;
}

let dialogs = 0;

export class PurchaseDialog {
  readonly api: PurchaseApi;
  readonly flow: PurchaseFlow;
  readonly #options: PurchaseDialogOptions;
  readonly #sentences: PurchaseSentences;
  readonly #id: string;
  readonly #modal: Modal;
  readonly #lead: HTMLElement;
  readonly #trouble = make('p', 'tm-trouble', '', { role: 'alert' });
  readonly #status = make('p', 'tm-status', '', { role: 'status' });
  readonly #left = make('p', 'tm-left');
  readonly #body = make('div', 'tm-body');
  readonly #ends: (() => void)[];
  #shown: PurchaseState['phase'] | null = null;
  #isPaid = false;
  #pay: { purchase: string; step: PayStep } | null = null;
  #reason: PurchaseReason = 'asked';
  #recommended: string | undefined;
  #meter: MeterClient | null = null;
  #counting: ReturnType<typeof setInterval> | undefined;

  constructor(options: PurchaseDialogOptions) {
    this.#options = options;
    this.#sentences = { ...purchaseSentences, ...options.sentences };
    this.api = new PurchaseApi(options);
    const back = options.returnUrl ?? location.href;
    this.flow = new PurchaseFlow({
      ...options,
      api: this.api,
      returnUrls: { success: back, cancel: back },
    });
    dialogs += 1;
    this.#id = `tm-purchase-${dialogs}`;
    const [labelledBy, describedBy] = [`${this.#id}-title`, `${this.#id}-lead`];
    this.#modal = new Modal({ labelledBy, describedBy, onDismiss: () => this.close() });
    this.#lead = make('p', 'tm-lead', '', { id: describedBy });
    const close = makeButton('tm-close', '×', () => this.close());
    close.setAttribute('aria-label', this.#sentences.close);
    const title = make('h2', 'tm-title', this.#sentences.title, { id: labelledBy });
    const head = make('div', 'tm-head', [title, close]);
    this.#modal.box.append(head, this.#lead, this.#trouble, this.#status, this.#left, this.#body);
    this.#ends = [
      this.flow.subscribe((state) => this.#show(state)),
      this.flow.subscribe((state) => this.#tellPaid(state)),
    ];
  }

  get isOpen(): boolean {
    return this.#modal.isOpen;
  }

  /** A payment that is on its way is shown again; else it begins from the beginning. */
  open({ reason = 'asked', package: recommended, returnFocusTo }: OpenOptions = {}): void {
    if (this.isOpen) return;
    this.#reason = reason;
    this.#recommended = recommended;
    this.#modal.open(returnFocusTo);
    this.#counting = setInterval(() => this.#showLeft(), COUNTED_EVERY_MS);
    const { phase } = this.flow.getState();
    if (phase === 'paying' || phase === 'submitting' || phase === 'confirming') {
      this.#show(this.flow.getState());
    } else {
      void this.flow.load(recommended ?? null);
    }
  }

  /** What is on its way goes on; what was not paid is ended. */
  close(): void {
    const { phase, purchase } = this.flow.getState();
    clearInterval(this.#counting);
    this.#modal.close();
    // A page of Stripe may be open still, in another tab.
    if (phase === 'starting' || (phase === 'paying' && purchase?.method !== 'checkout')) {
      this.flow.back();
    }
  }

  /**
   * Learns from a recorder's meter what the gateway would say later, and opens when the recorder was
   * stopped for want of minutes. Returns its end; another recorder takes the place of the first.
   */
  watch(meter: MeterClient, { opensAtLimit = true } = {}): () => void {
    this.#meter = meter;
    const end = watchMeter(meter, {
      maybePaid: () => this.flow.nudge(),
      stopped: (package_) => {
        this.#reason = 'limit';
        if (this.isOpen) this.#show(this.flow.getState());
        else if (opensAtLimit) this.open({ reason: 'limit', package: package_ });
      },
    });
    return () => {
      end();
      if (this.#meter === meter) this.#meter = null;
    };
  }

  /** For good. */
  destroy(): void {
    this.close();
    for (const end of this.#ends) end();
    this.flow.end();
    this.#pay?.step.destroy();
    this.#modal.remove();
  }

  #tellPaid({ phase, purchase }: PurchaseState): void {
    const isNews = phase === 'paid' && !this.#isPaid;
    this.#isPaid = phase === 'paid';
    if (isNews) this.#options.onPaid?.(purchase!);
  }

  #show(state: PurchaseState): void {
    const { phase } = state;
    // They pressed "pay" and left: a bank's no must find them.
    if (!this.isOpen && phase === 'paying' && state.trouble?.kind === 'declined') {
      this.#shown = phase;
      this.open({ reason: this.#reason });
      return;
    }
    this.#modal.phase = phase;
    this.#modal.isAlone = phase !== 'submitting';
    say(this.#lead, phase === 'paid' ? '' : this.#sentences.leads[this.#reason]);
    say(this.#trouble, this.#troubleText(state));
    say(this.#status, this.#statusText(state));
    this.#showLeft();
    const before = this.#shown;
    this.#shown = phase;
    if (this.#showPay(state)) return;
    if (phase === 'starting') {
      for (const each of this.#body.querySelectorAll('button')) {
        each.disabled = true;
        say(each, this.#sentences.starting);
      }
      return;
    }
    if (phase === before && phase !== 'closed') return;
    const hadFocus = this.#modal.box.contains(document.activeElement);
    this.#body.replaceChildren(this.#stepOf(state));
    if (hadFocus) this.#focusFirst();
  }

  /** What is typed must stay while its purchase is the one. Returns whether it is shown. */
  #showPay(state: PurchaseState): boolean {
    const { phase, purchase } = state;
    const isPaying = phase === 'paying' || phase === 'submitting' || phase === 'confirming';
    const id = isPaying ? (purchase?.purchase ?? null) : null;
    if (this.#pay !== null && this.#pay.purchase !== id) {
      this.#pay.step.destroy();
      this.#pay = null;
    }
    if (id === null) return false;
    if (this.#pay === null) {
      const { flow, api } = this;
      const { locale, returnUrl = location.href } = this.#options;
      const context = { flow, api, sentences: this.#sentences, locale, id: this.#id, returnUrl };
      const step = payStep(context, state);
      this.#pay = { purchase: id, step };
      this.#body.replaceChildren(step.element);
      if (this.isOpen) this.#modal.box.focus();
    }
    this.#pay.step.show(state);
    // What had the focus may be gone, or not to be pressed.
    if (this.isOpen && document.activeElement === document.body) this.#modal.box.focus();
    return true;
  }

  #stepOf(state: PurchaseState): HTMLElement {
    const sentences = this.#sentences;
    switch (state.phase) {
      case 'choosing': {
        const { flow, ...rest } = { flow: this.flow, sentences, locale: this.#options.locale };
        return chooseStep({ flow, ...rest, id: this.#id }, state);
      }
      case 'paid': {
        const text = this.#isRecording ? sentences.paidGoesOn : sentences.paidNext;
        return noteStep(text, { text: sentences.done, press: () => this.close() });
      }
      case 'closed': {
        const isWorthTrying = state.trouble !== null && WORTH_TRYING.includes(state.trouble.kind);
        const again = () => void this.flow.load(this.#recommended ?? null);
        return isWorthTrying
          ? noteStep('', { text: sentences.again, press: again })
          : noteStep('', { text: sentences.close, press: () => this.close() });
      }
      default:
        return noteStep(sentences.loading, null);
    }
  }

  #troubleText({ trouble }: PurchaseState): string {
    if (trouble === null) return '';
    const text = this.#sentences.troubles[trouble.kind];
    const hasWords = trouble.kind === 'declined' || trouble.kind === 'unexpected';
    return hasWords && trouble.detail !== '' ? `${trouble.detail} ${text}` : text;
  }

  #statusText({ phase, purchase, givenUp }: PurchaseState): string {
    const { confirming, mayClose, submitting, paid, length } = this.#sentences;
    if (phase === 'confirming') {
      return givenUp ? this.#sentences.givenUp : `${confirming} ${mayClose}`;
    }
    if (phase === 'submitting') return submitting;
    return phase === 'paid' ? paid(length(purchase!.grantedMs)) : '';
  }

  /** Beside the status, which is read out: a count that is read out every second says nothing. */
  #showLeft(): void {
    const { phase } = this.flow.getState();
    say(this.#left, phase === 'confirming' ? this.#leftText() : '');
  }

  #leftText(): string {
    if (this.#meter === null) return '';
    const { stop, speed } = this.#meter.getState();
    if (stop?.reason === 'limitReached') return this.#sentences.stopped;
    const { endsInMs } = this.#meter.at();
    if (!this.#isRecording || endsInMs === null) return '';
    return this.#sentences.goesOn(endsInMs / speed);
  }

  get #isRecording(): boolean {
    const phase = this.#meter?.getState().phase;
    return phase === 'recording' || phase === 'paused';
  }

  #focusFirst(): void {
    const chosen = this.#body.querySelector<HTMLElement>('input:checked, button');
    (chosen ?? this.#modal.box).focus();
  }
}
