/** Stripe's Payment Element in the page: what is typed there goes to Stripe, and nowhere else. */
import type { Attempt } from './purchase-flow.ts';
import { PurchaseProblem } from './purchase-problem.ts';
import type { Payments } from './shapes.ts';
import {
  type AppearanceLike,
  loadStripe,
  type StripeErrorLike,
  type StripeLike,
} from './stripe-js.ts';

/** What went on after an earlier attempt, whose answer was lost: the gateway will say how it ended. */
const WENT_ON: readonly string[] = ['succeeded', 'processing', 'requires_capture'];

export interface PaymentFormOptions {
  payments: Payments;
  clientSecret: string;
  /** The page, for ways to pay that leave it. */
  returnUrl: string;
}

export class PaymentForm {
  readonly #stripe: StripeLike;
  readonly #elements: ReturnType<StripeLike['elements']>;
  readonly #element: { destroy(): void };
  readonly #options: PaymentFormOptions;

  private constructor(
    stripe: StripeLike,
    elements: ReturnType<StripeLike['elements']>,
    element: { destroy(): void },
    options: PaymentFormOptions,
  ) {
    this.#stripe = stripe;
    this.#elements = elements;
    this.#element = element;
    this.#options = options;
  }

  /** Resolves when something can be entered. @throws Error where Stripe does not come */
  static async mount(target: HTMLElement, options: PaymentFormOptions): Promise<PaymentForm> {
    const { publishableKey, scriptUrl } = options.payments;
    if (publishableKey === null || scriptUrl === null) {
      throw new Error('STRIPE_PUBLISHABLE_KEY is not set at the gateway');
    }
    const Stripe = await loadStripe(scriptUrl);
    const stripe = Stripe(publishableKey);
    const elements = stripe.elements({
      clientSecret: options.clientSecret,
      appearance: appearanceOf(target),
    });
    const element = elements.create('payment', { layout: 'tabs' });
    await new Promise<void>((resolve, reject) => {
      element.on('ready', () => resolve());
      element.on('loaderror', ({ error }) => reject(new Error(error.message ?? error.type)));
      element.mount(target);
    });
    return new PaymentForm(stripe, elements, element, options);
  }

  /** Whether all is filled in; the form marks what is not. */
  async isComplete(): Promise<boolean> {
    return (await this.#elements.submit()).error === undefined;
  }

  /** @throws PurchaseProblem where Stripe could not be asked */
  async pay(): Promise<Attempt> {
    const { error } = await this.#stripe.confirmPayment({
      elements: this.#elements,
      clientSecret: this.#options.clientSecret,
      confirmParams: { return_url: this.#options.returnUrl },
      redirect: 'if_required',
    });
    return error === undefined ? { result: 'sent' } : attemptOf(error);
  }

  destroy(): void {
    this.#element.destroy();
  }
}

function attemptOf(error: StripeErrorLike): Attempt {
  const { type, message: detail = '', payment_intent: intent } = error;
  if (intent !== undefined && WENT_ON.includes(intent.status)) return { result: 'sent' };
  if (type === 'validation_error') return { result: 'incomplete' };
  if (type === 'card_error') return { result: 'declined', detail };
  if (type === 'api_connection_error') throw new PurchaseProblem('unreachable', 0, detail);
  if (type === 'api_error' || type === 'rate_limit_error') {
    throw new PurchaseProblem('paymentsUnavailable', 503, detail);
  }
  return { result: 'declined', detail };
}

/** The colours of the page, as it shows them here: its frames are of another origin, and inherit none. */
function appearanceOf(target: HTMLElement): AppearanceLike {
  const style = getComputedStyle(target);
  const value = (name: string) => style.getPropertyValue(name).trim();
  const variables: Record<string, string> = { fontFamily: style.fontFamily };
  for (const [name, from] of [
    ['colorPrimary', '--tm-accent'],
    ['colorBackground', '--tm-surface'],
    ['colorText', '--tm-ink'],
    ['colorTextSecondary', '--tm-soft'],
    ['colorDanger', '--tm-danger'],
  ] as const) {
    // Stripe takes plain colours only, not those that are mixed or named by a variable.
    if (/^(#|rgb)/.test(value(from))) variables[name] = value(from);
  }
  const isDark = matchMedia('(prefers-color-scheme: dark)').matches;
  return { theme: isDark ? 'night' : 'stripe', variables };
}
