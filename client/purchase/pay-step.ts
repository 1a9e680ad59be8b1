/** Where the person pays: by a form of Stripe, by a page of Stripe, or by a test payment. */
import type { StepContext } from './choose-step.ts';
import { make, makeButton, say } from './make.ts';
import { PaymentForm } from './payment-form.ts';
import type { PurchaseApi } from './purchase-api.ts';
import type { Attempt } from './purchase-flow.ts';
import type { PurchaseState } from './purchase-state.ts';
import type { Purchase } from './shapes.ts';

export interface PayContext extends StepContext {
  api: PurchaseApi;
  returnUrl: string;
}

/** A step that outlives changes of state: what was typed must stay. */
export interface PayStep {
  element: HTMLElement;
  /** Whether something is on its way, and cannot be pressed twice. */
  show(state: PurchaseState): void;
  destroy(): void;
}

export function payStep(context: PayContext, state: PurchaseState): PayStep {
  const { flow, sentences, locale } = context;
  const { grantedMs, amountCents, currency, method } = state.purchase!;
  const price = sentences.price(amountCents, currency, locale);
  const name = state.packages.find((it) => it.package === state.purchase!.package)?.name;
  const summary = sentences.summary(name ?? sentences.length(grantedMs), price);
  const back = makeButton('tm-plain', sentences.back, () => flow.back());
  const head = make('p', 'tm-summary', summary);
  const way = ways[method](context, state, price);
  // With keys for testing nothing of Stripe's form says so.
  const isTest = method !== 'test' && state.payments?.livemode === false;
  const note = isTest ? [make('p', 'tm-note', sentences.testMode)] : [];
  const element = make('div', 'tm-step', [
    head,
    ...note,
    way.element,
    make('div', 'tm-buttons', [...way.buttons, back]),
  ]);
  return {
    element,
    show(now) {
      const isBusy = now.phase === 'submitting';
      element.setAttribute('aria-busy', String(isBusy));
      back.hidden = now.phase === 'confirming';
      back.disabled = isBusy;
      way.show(now, isBusy);
    },
    destroy: () => way.destroy(),
  };
}

interface Way {
  element: HTMLElement;
  buttons: readonly HTMLElement[];
  show(state: PurchaseState, isBusy: boolean): void;
  destroy(): void;
}

type MakeWay = (context: PayContext, state: PurchaseState, price: string) => Way;

const byForm: MakeWay = (context, state, price) => {
  const { flow, sentences, returnUrl } = context;
  const place = make('div', 'tm-payment-element');
  const waiting = make('p', 'tm-note', sentences.formLoading);
  const element = make('form', 'tm-form', [waiting, place], { id: `${context.id}-form` });
  const pay = make('button', 'tm-button tm-primary', sentences.pay(price), {
    type: 'submit',
    form: element.id,
  });
  let form: PaymentForm | null = null;
  let isGone = false;
  let isMounting = false;
  let isBusy = false;

  async function mount(): Promise<void> {
    isMounting = true;
    pay.disabled = true;
    waiting.hidden = false;
    try {
      const { payments, clientSecret } = state;
      const options = { payments: payments!, clientSecret: clientSecret!, returnUrl };
      const made = await PaymentForm.mount(place, options);
      if (isGone) return made.destroy();
      form = made;
      say(pay, sentences.pay(price));
    } catch (error) {
      if (isGone) return;
      place.replaceChildren();
      say(pay, sentences.again);
      flow.fail('script', error instanceof Error ? error.message : String(error));
    } finally {
      isMounting = false;
      waiting.hidden = true;
      pay.disabled = false;
    }
  }

  async function submit(): Promise<void> {
    if (isBusy || isMounting) return;
    const made = form;
    // What is shown then mounts it once more.
    if (made === null) return flow.retry();
    isBusy = true;
    // Before anything is lent: who has typed nothing yet is not about to pay.
    if (await made.isComplete()) await flow.submit(() => made.pay());
    isBusy = false;
  }

  element.addEventListener('submit', (event) => {
    event.preventDefault();
    void submit();
  });
  return {
    element,
    buttons: [pay],
    show(now, busy) {
      if (form !== null) {
        pay.disabled = busy;
        say(pay, busy ? sentences.submitting : sentences.pay(price));
      } else if (!isMounting && !isGone && place.isConnected && now.trouble === null) void mount();
    },
    destroy() {
      isGone = true;
      form?.destroy();
    },
  };
};

const atStripe: MakeWay = ({ sentences }, { checkoutUrl }) => {
  const href = /^https?:/.test(checkoutUrl ?? '') ? checkoutUrl! : '';
  const link = make('a', 'tm-button tm-primary', sentences.checkout, {
    href,
    target: '_blank',
    rel: 'noopener noreferrer',
  });
  return {
    element: make('p', 'tm-note', sentences.checkoutNote),
    buttons: [link],
    show() {},
    destroy() {},
  };
};

const OUTCOMES = ['paid', 'failed', 'processing'] as const;

const byTest: MakeWay = ({ flow, api, sentences }) => {
  async function pay({ purchase }: Purchase, outcome: (typeof OUTCOMES)[number]): Promise<Attempt> {
    const { status, failure } = await api.testPayment(purchase, outcome);
    if (status !== 'failed') return { result: 'sent' };
    return { result: 'declined', detail: failure?.message ?? '' };
  }
  const buttons = OUTCOMES.map((outcome) => {
    const kind = outcome === 'paid' ? 'tm-primary' : '';
    const press = () => void flow.submit((purchase) => pay(purchase, outcome));
    return makeButton(kind, sentences.testOutcomes[outcome], press);
  });
  return {
    element: make('div', 'tm-test', [
      make('p', 'tm-test-title', sentences.testTitle),
      make('p', 'tm-note', sentences.testNote),
    ]),
    buttons,
    show({ phase }, isBusy) {
      for (const [i, outcome] of OUTCOMES.entries()) {
        buttons[i]!.disabled = isBusy;
        buttons[i]!.hidden = outcome === 'processing' && phase === 'confirming';
      }
    },
    destroy() {},
  };
};

const ways: Record<Purchase['method'], MakeWay> = {
  paymentIntent: byForm,
  checkout: atStripe,
  test: byTest,
};
