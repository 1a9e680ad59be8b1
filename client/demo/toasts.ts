/** Short notes that come and go. They are read out by screen readers, and stay as long as needed. */
import { element } from './element.ts';

const SHOWN_MS = 12_000;

export interface ToastOptions {
  /** What helps, as a button. */
  action?: { label: string; press: () => void } | undefined;
}

export class Toasts {
  readonly #box = element('toasts');
  readonly #template = element<HTMLTemplateElement>('toast');
  readonly #shown = new Map<string, HTMLElement>();

  /** The same id again replaces the first. */
  show(id: string, text: string, level: string, { action }: ToastOptions = {}): void {
    this.withdraw(id);
    const toast = document.importNode(
      this.#template.content.firstElementChild as HTMLElement,
      true,
    );
    toast.dataset.level = level;
    toast.dataset.id = id;
    toast.querySelector('p')!.textContent = text;
    toast.querySelector('.dismiss')!.addEventListener('click', () => this.withdraw(id));
    const act = toast.querySelector<HTMLButtonElement>('.act')!;
    if (action !== undefined) {
      act.hidden = false;
      act.textContent = action.label;
      act.addEventListener('click', () => action.press());
    }
    this.#shown.set(id, toast);
    this.#box.append(toast);
    this.#withdrawLater(id, toast);
  }

  /** Not from under a hand, or a keyboard, that is about to use it. */
  #withdrawLater(id: string, toast: HTMLElement): void {
    setTimeout(() => {
      if (this.#shown.get(id) !== toast) return;
      if (toast.matches(':hover, :focus-within')) this.#withdrawLater(id, toast);
      else this.withdraw(id);
    }, SHOWN_MS);
  }

  withdraw(id: string): void {
    this.#shown.get(id)?.remove();
    this.#shown.delete(id);
  }

  clear(): void {
    for (const id of [...this.#shown.keys()]) this.withdraw(id);
  }
}
