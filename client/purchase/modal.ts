/**
 * A box above the page that keeps keyboard and screen reader, and gives them back. It is no
 * `<dialog>` shown modally: the bank's own questions (3-D Secure) come as a frame that Stripe adds to
 * the page, and nothing of the page can be above the browser's top layer, or be used beneath it.
 */
import { make } from './make.ts';

const FOCUSABLE =
  'button:not(:disabled), input:not(:disabled), a[href], iframe, [tabindex="0"], select, textarea';
/** What speaks goes on speaking, and frames of Stripe must answer. */
const LEFT_ALONE = '[aria-live], [role="alert"], [role="status"], [name^="__privateStripe"]';

/**
 * What has the focus; whom the opener names; then what is near the first, before it rather than behind:
 * a note that the box was opened from may go by itself. Where nothing has it, only who is named gets it.
 */
function heirsOf(from: Element | null, named: Element | null): Element[] {
  const isNowhere = from === null || from === document.body;
  if (isNowhere) return named === null ? [] : [named];
  const all = [...document.querySelectorAll(FOCUSABLE)];
  const at = all.indexOf(from);
  const near = at < 0 ? [] : [...all.slice(0, at).reverse(), ...all.slice(at + 1)];
  return named === null ? [from, ...near] : [from, named, ...near];
}

export interface ModalOptions {
  /** Of the heading that names it. */
  labelledBy: string;
  describedBy: string;
  /** Escape, or a click beside it. */
  onDismiss(): void;
}

export class Modal {
  readonly box: HTMLElement;
  readonly #shade: HTMLElement;
  readonly #options: ModalOptions;
  /** Who is given the focus back: the first of them that can still have it. */
  #returnTo: readonly Element[] = [];
  #silenced: Element[] = [];

  constructor(options: ModalOptions) {
    this.#options = options;
    this.box = make('div', 'tm-purchase-box', [], {
      role: 'dialog',
      'aria-modal': 'true',
      'aria-labelledby': options.labelledBy,
      'aria-describedby': options.describedBy,
      tabindex: '-1',
    });
    this.#shade = make('div', 'tm-purchase', [this.box]);
    this.#shade.addEventListener('keydown', (event) => this.#key(event));
    // Pressed and released beside it: a text that was marked must not close it.
    let pressedBeside = false;
    this.#shade.addEventListener('pointerdown', ({ target }) => {
      pressedBeside = target === this.#shade;
    });
    this.#shade.addEventListener('click', ({ target }) => {
      if (pressedBeside && target === this.#shade) options.onDismiss();
    });
  }

  get isOpen(): boolean {
    return this.#shade.isConnected && !this.#shade.hidden;
  }

  /** Whether nothing but the box is to be used: not while a bank asks in a frame beside it. */
  set isAlone(alone: boolean) {
    this.box.setAttribute('aria-modal', String(alone));
  }

  set phase(phase: string) {
    this.#shade.dataset.phase = phase;
  }

  /** `returnTo`: whom to give the focus back to where what has it now cannot. */
  open(returnTo: Element | null = null): void {
    if (this.isOpen) return;
    this.#returnTo = heirsOf(document.activeElement, returnTo);
    for (const each of document.body.children) {
      if (each === this.#shade) continue;
      const isLeft = each.matches(`script, style, ${LEFT_ALONE}`) || each.hasAttribute('inert');
      if (isLeft || each.querySelector('[name^="__privateStripe"]') !== null) continue;
      each.setAttribute('inert', '');
      this.#silenced.push(each);
    }
    if (this.#shade.isConnected) this.#shade.hidden = false;
    else document.body.append(this.#shade);
    this.box.focus();
  }

  /** Out of sight, but not out of the page: a frame of Stripe that is taken out of it loses its payment. */
  close(): void {
    if (!this.isOpen) return;
    this.#shade.hidden = true;
    for (const each of this.#silenced.splice(0)) each.removeAttribute('inert');
    for (const each of this.#returnTo) {
      (each as HTMLElement).focus();
      if (document.activeElement === each) break;
    }
    this.#returnTo = [];
  }

  /** For good. */
  remove(): void {
    this.close();
    this.#shade.remove();
  }

  #key(event: KeyboardEvent): void {
    if (event.key === 'Escape') {
      event.stopPropagation();
      this.#options.onDismiss();
    }
    if (event.key !== 'Tab') return;
    const all = [...this.box.querySelectorAll<HTMLElement>(FOCUSABLE)].filter(
      (it) => it.offsetParent !== null && (it as HTMLInputElement).tabIndex >= 0,
    );
    const [first, last] = [all[0], all.at(-1)];
    const at = document.activeElement;
    // Only at its ends: what is between them, the forms of Stripe too, the browser walks through.
    if (event.shiftKey && (at === first || at === this.box)) {
      event.preventDefault();
      last?.focus();
    } else if (!event.shiftKey && (at === last || isInLastGroup(at, last))) {
      event.preventDefault();
      first?.focus();
    }
  }
}

/** Of a group of radio buttons only one is reached by Tab. */
function isInLastGroup(at: Element | null, last: HTMLElement | undefined): boolean {
  if (!(at instanceof HTMLInputElement && last instanceof HTMLInputElement)) return false;
  return at.type === 'radio' && at.name === last.name;
}
