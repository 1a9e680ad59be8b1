/**
 * The script a page loads instead of https://js.stripe.com: as much of Stripe.js as a Payment Element
 * needs (https://docs.stripe.com/js). It renders a small form without a frame around it, so that a
 * browser test can fill it in: what it shows is no picture of Stripe's own.
 */

/** Runs in a page; `base` is where the fake is heard. Written to need nothing of this file. */
function installStripe(base: string): void {
  type Handler = (event: object) => void;
  type Failure = { type: string; code?: string; message: string; payment_intent?: object };
  interface Intent {
    id: string;
    object: string;
    status: string;
    last_payment_error?: Failure | null;
    last_setup_error?: Failure | null;
  }
  type Asked = { intent: Intent } | { error: Failure };
  interface ElementsOptions {
    clientSecret?: string;
    mode?: string;
    amount?: number;
    currency?: string;
  }
  interface ConfirmOptions {
    elements?: ReturnType<typeof createElements>;
    clientSecret?: string;
    confirmParams?: { return_url?: string };
    redirect?: 'if_required' | 'always';
  }

  const refuse = (message: string) => {
    const error = new Error(message);
    error.name = 'IntegrationError';
    return error;
  };

  async function ask(key: string, method: string, path: string, fields: Record<string, string>) {
    const form = new URLSearchParams({ key, ...fields });
    const query = method === 'GET' ? `?${form}` : '';
    const init = method === 'GET' ? { method } : { method, body: form };
    try {
      const response = await fetch(`${base}${path}${query}`, init);
      const body = await response.json();
      return (response.ok ? { intent: body } : { error: body.error }) as Asked;
    } catch (error) {
      return { error: { type: 'api_connection_error', message: String(error) } } as Asked;
    }
  }

  function createPaymentElement() {
    const handlers: Record<string, Handler[]> = {};
    const root = document.createElement('div');
    root.dataset.fakeStripe = 'payment';
    const label = document.createElement('label');
    label.textContent = 'Card number ';
    const input = document.createElement('input');
    input.name = 'number';
    input.inputMode = 'numeric';
    input.autocomplete = 'off';
    input.placeholder = '1234 1234 1234 1234';
    label.append(input);
    const alert = document.createElement('p');
    alert.setAttribute('role', 'alert');
    const bank = document.createElement('div');
    root.append(label, alert, bank);
    const digits = () => input.value.replace(/\s/g, '');
    const isComplete = () => /^\d{16}$/.test(digits());
    const emit = (name: string, event: object) => {
      for (const handle of [...(handlers[name] ?? [])]) handle(event);
    };
    input.addEventListener('input', () => {
      alert.textContent = '';
      const value = { type: 'card' };
      const empty = input.value === '';
      const event = { elementType: 'payment', collapsed: false, empty, complete: isComplete() };
      emit('change', { ...event, value });
    });
    input.addEventListener('focus', () => emit('focus', { elementType: 'payment' }));
    input.addEventListener('blur', () => emit('blur', { elementType: 'payment' }));
    const element = {
      mount(at: string | HTMLElement) {
        const place = typeof at === 'string' ? document.querySelector(at) : at;
        if (place === null)
          throw refuse(`The selector you specified (${at}) applies to no element.`);
        place.append(root);
        // As at Stripe, later than mount() returns.
        setTimeout(() => emit('ready', { elementType: 'payment' }), 0);
      },
      on(name: string, handle: Handler) {
        const list = handlers[name] ?? [];
        list.push(handle);
        handlers[name] = list;
        return element;
      },
      once(name: string, handle: Handler) {
        const only: Handler = (event) => {
          element.off(name, only);
          handle(event);
        };
        return element.on(name, only);
      },
      off(name: string, handle?: Handler) {
        const left = (handlers[name] ?? []).filter((it) => handle !== undefined && it !== handle);
        handlers[name] = left;
        return element;
      },
      unmount: () => root.remove(),
      destroy: () => root.remove(),
      focus: () => input.focus(),
      blur: () => input.blur(),
      clear() {
        input.value = '';
      },
      update() {},
      collapse() {},
      /** Not Stripe's: what the rest of this script asks. */
      fake: {
        number: digits,
        check(): Failure | null {
          if (isComplete()) return null;
          const message = 'Your card number is incomplete.';
          alert.textContent = message;
          return { type: 'validation_error', code: 'incomplete_number', message };
        },
        show(message: string) {
          alert.textContent = message;
        },
        /** The bank's question, in the page. */
        askBank: () =>
          new Promise<'passed' | 'failed'>((resolve) => {
            for (const result of ['passed', 'failed'] as const) {
              const button = document.createElement('button');
              button.type = 'button';
              button.textContent =
                result === 'passed' ? 'Complete authentication' : 'Fail authentication';
              button.addEventListener('click', () => {
                bank.replaceChildren();
                resolve(result);
              });
              bank.append(button);
            }
          }),
      },
    };
    return element;
  }

  function createElements(options: ElementsOptions = {}) {
    let element: ReturnType<typeof createPaymentElement> | null = null;
    let isSubmitted = false;
    return {
      create(type: string) {
        if (type !== 'payment') throw refuse(`This stand-in has no element of type ${type}.`);
        if (element !== null) throw refuse('Can only create one Element of type payment.');
        element = createPaymentElement();
        return element;
      },
      getElement: (type: string) => (type === 'payment' ? element : null),
      update(more: ElementsOptions) {
        Object.assign(options, more);
      },
      fetchUpdates: async () => ({}),
      async submit() {
        const error = element?.fake.check() ?? null;
        isSubmitted = error === null;
        return error === null ? { selectedPaymentMethod: 'card' } : { error };
      },
      fake: { options, element: () => element, isSubmitted: () => isSubmitted },
    };
  }

  function createStripe(key: string) {
    if (typeof key !== 'string' || !key.startsWith('pk_')) {
      throw refuse('You should pass a publishable key, which begins with pk_.');
    }
    const pathOf = (secret: string) => {
      const id = secret.split('_secret_')[0] ?? '';
      return `/v1/${id.startsWith('seti_') ? 'setup_intents' : 'payment_intents'}/${id}`;
    };
    const retrieve = (secret: string) => ask(key, 'GET', pathOf(secret), { client_secret: secret });

    async function confirm(options: ConfirmOptions): Promise<Asked> {
      const { elements, confirmParams, redirect = 'always' } = options;
      const secret = options.clientSecret ?? elements?.fake.options.clientSecret;
      const element = elements?.fake.element();
      if (secret === undefined) throw refuse('confirm needs a clientSecret.');
      if (!element) throw refuse('elements should have a mounted Payment Element.');
      const isDeferred = elements?.fake.options.clientSecret === undefined;
      if (isDeferred && elements?.fake.isSubmitted() !== true) {
        throw refuse('elements.submit() must be called before stripe.confirmPayment().');
      }
      const returnUrl = confirmParams?.return_url;
      if (returnUrl === undefined && redirect === 'always') {
        throw refuse('confirmParams.return_url is required unless redirect is if_required.');
      }
      const wrong = element.fake.check();
      if (wrong !== null) return { error: wrong };
      let asked = await ask(key, 'POST', `${pathOf(secret)}/confirm`, {
        client_secret: secret,
        'payment_method_data[type]': 'card',
        'payment_method_data[card][number]': element.fake.number(),
        ...(returnUrl === undefined ? {} : { return_url: returnUrl }),
      });
      if ('intent' in asked && asked.intent.status === 'requires_action') {
        const result = await element.fake.askBank();
        const { id } = asked.intent;
        const form = new URLSearchParams({ client_secret: secret, result });
        await fetch(`${base}/authenticate/${id}`, { method: 'POST', body: form });
        asked = await retrieve(secret);
        if ('intent' in asked && asked.intent.status === 'requires_payment_method') {
          const { last_payment_error: payment, last_setup_error: setup } = asked.intent;
          const error = payment ?? setup;
          if (error) asked = { error: { ...error, payment_intent: asked.intent } };
        }
      }
      if ('error' in asked) {
        element.fake.show(asked.error.message);
        return asked;
      }
      if (redirect === 'always' && returnUrl !== undefined) {
        const to = new URL(returnUrl, location.href);
        to.searchParams.set(asked.intent.object, asked.intent.id);
        to.searchParams.set(`${asked.intent.object}_client_secret`, secret);
        to.searchParams.set('redirect_status', 'succeeded');
        location.assign(to);
        return new Promise(() => {});
      }
      return asked;
    }

    const named = async (name: 'paymentIntent' | 'setupIntent', asking: Promise<Asked>) => {
      const asked = await asking;
      return 'error' in asked ? asked : { [name]: asked.intent };
    };
    return {
      elements: createElements,
      confirmPayment: (options: ConfirmOptions) => named('paymentIntent', confirm(options)),
      confirmSetup: (options: ConfirmOptions) => named('setupIntent', confirm(options)),
      retrievePaymentIntent: (secret: string) => named('paymentIntent', retrieve(secret)),
      retrieveSetupIntent: (secret: string) => named('setupIntent', retrieve(secret)),
      // loadStripe of @stripe/stripe-js calls it.
      _registerWrapper() {},
    };
  }

  Object.assign(globalThis, {
    Stripe: Object.assign((key: string) => createStripe(key), { version: 'endive' }),
  });
}

/** @param base where the fake is heard */
export function stripeScript(base: string): string {
  // Some compilers keep names by a function of this name, which the page has not.
  const kept = 'const __name = (it) => it;';
  return `(() => { ${kept} (${installStripe.toString()})(${JSON.stringify(base)}); })();\n`;
}
