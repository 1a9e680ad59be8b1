/** Short notes that come and go. They are read out by screen readers, and stay as long as needed. */
import { element } from './element.ts';

const SHOWN_MS = 12_000;

export class Toasts {
  readonly #box = element('toasts');
  readonly #template = element<HTMLTemplateElement>('toast');
  readonly #shown = new Map<string, HTMLElement>();

  /** `lasting`: until it is dismissed or withdrawn. The same id again replaces the first. */
  show(id: string, text: string, level: string, lasting = false): void {
    this.withdraw(id);
    const toast = document.importNode(
      this.#template.content.firstElementChild as HTMLElement,
      true,
    );
    toast.dataset.level = level;
    toast.dataset.id = id;
    toast.querySelector('p')!.textContent = text;
    toast.querySelector('button')!.addEventListener('click', () => this.withdraw(id));
    this.#shown.set(id, toast);
    this.#box.append(toast);
    if (!lasting) setTimeout(() => this.#shown.get(id) === toast && this.withdraw(id), SHOWN_MS);
  }

  withdraw(id: string): void {
    this.#shown.get(id)?.remove();
    this.#shown.delete(id);
  }

  clear(): void {
    for (const id of [...this.#shown.keys()]) this.withdraw(id);
  }
}
