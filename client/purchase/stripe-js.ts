/**
 * Stripe.js, loaded from Stripe as it wants to be: by a script tag, once, and not before somebody
 * pays. The part of it that is used is typed here, so that nobody has to install its types; a test
 * holds this against those that Stripe publishes.
 */

export interface StripeErrorLike {
  type: string;
  code?: string;
  message?: string;
  payment_intent?: { status: string };
}

export interface PaymentElementLike {
  mount(target: HTMLElement): void;
  destroy(): void;
  on(type: 'ready', hear: () => void): unknown;
  on(type: 'loaderror', hear: (event: { error: StripeErrorLike }) => void): unknown;
}

export interface ElementsLike {
  create(type: 'payment', options?: { layout?: 'tabs' | 'accordion' }): PaymentElementLike;
  submit(): Promise<{ error?: StripeErrorLike | undefined }>;
}

export interface AppearanceLike {
  theme: 'stripe' | 'night';
  variables: Record<string, string>;
}

export interface StripeLike {
  elements(options: {
    clientSecret: string;
    appearance?: AppearanceLike;
    locale?: 'auto';
  }): ElementsLike;
  confirmPayment(options: {
    elements?: ElementsLike;
    clientSecret: string;
    confirmParams?: { return_url?: string };
    redirect: 'if_required';
  }): Promise<{ error?: StripeErrorLike | undefined }>;
}

export type StripeConstructorLike = (publishableKey: string) => StripeLike;

const LOAD_PATIENCE_MS = 20_000;
/** One for all dialogs of a page: Stripe counts on being there once. */
const loading = new Map<string, Promise<StripeConstructorLike>>();

const known = () => (globalThis as { Stripe?: StripeConstructorLike }).Stripe;

/** Rejects where it does not come: content blockers and policies may forbid it. Asked again, it tries again. */
export function loadStripe(scriptUrl: string): Promise<StripeConstructorLike> {
  const there = known();
  if (there !== undefined) return Promise.resolve(there);
  let promise = loading.get(scriptUrl);
  if (promise === undefined) {
    promise = insert(scriptUrl).catch((error: unknown) => {
      loading.delete(scriptUrl);
      throw error;
    });
    loading.set(scriptUrl, promise);
  }
  return promise;
}

function insert(scriptUrl: string): Promise<StripeConstructorLike> {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    const fail = (why: string) => {
      clearTimeout(timer);
      script.remove();
      reject(new Error(`${why} (${scriptUrl})`));
    };
    const timer = setTimeout(() => fail('Stripe.js does not come'), LOAD_PATIENCE_MS);
    script.src = scriptUrl;
    script.async = true;
    script.addEventListener('error', () => fail('Stripe.js could not be loaded'));
    script.addEventListener('load', () => {
      const Stripe = known();
      if (Stripe === undefined) return fail('What was loaded is not Stripe.js');
      clearTimeout(timer);
      resolve(Stripe);
    });
    document.head.append(script);
  });
}
