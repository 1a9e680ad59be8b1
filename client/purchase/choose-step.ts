/** The packages, of which one is chosen. */
import { make, makeButton } from './make.ts';
import type { PurchaseFlow } from './purchase-flow.ts';
import type { PurchaseState } from './purchase-state.ts';
import type { PurchaseSentences } from './sentences.ts';
import type { ExtraMinutesPackage } from './shapes.ts';

export interface StepContext {
  flow: PurchaseFlow;
  sentences: PurchaseSentences;
  locale: string | undefined;
  /** Unique in the page; ids begin with it. */
  id: string;
}

export function chooseStep(context: StepContext, state: PurchaseState): HTMLElement {
  const { flow, sentences } = context;
  const choices = state.packages.map((it) => choice(context, state, it));
  const legend = make('legend', 'tm-hidden', sentences.packages);
  const form = make('form', 'tm-step', [
    make('fieldset', 'tm-packages', [legend, ...choices]),
    make('div', 'tm-buttons', [
      make('button', 'tm-button tm-primary', sentences.goOn, { type: 'submit' }),
    ]),
  ]);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void flow.start();
  });
  return form;
}

function choice(
  { flow, sentences, locale, id }: StepContext,
  { chosen, recommended }: PurchaseState,
  it: ExtraMinutesPackage,
): HTMLElement {
  const input = make('input', '', [], { type: 'radio', name: `${id}-package`, value: it.package });
  input.checked = it.package === chosen;
  input.addEventListener('change', () => flow.choose(it.package));
  const notes = [sentences.perMinute(it, locale)];
  const days = it.expiresAfterDays ?? null;
  if (days !== null) notes.push(sentences.expires(days));
  const words = [
    make('span', 'tm-package-name', it.name),
    make('span', 'tm-package-note', notes.join(' · ')),
  ];
  if (it.package === recommended) words.push(make('span', 'tm-badge', sentences.recommended));
  const price = sentences.price(it.priceCents, it.currency, locale);
  return make('label', 'tm-package', [
    input,
    make('span', 'tm-package-words', words),
    make('span', 'tm-price', price),
  ]);
}

/** In its place while something is awaited that nobody here can hasten; or for good. */
export function noteStep(text: string, button: { text: string; press: () => void } | null) {
  const step = make('div', 'tm-step', [make('p', 'tm-note', text)]);
  if (button !== null) {
    const made = makeButton('tm-primary', button.text, button.press);
    step.append(make('div', 'tm-buttons', [made]));
  }
  return step;
}
