/** The one thing a person should read now: why it stopped, was refused, or cannot begin. */
import type { Action } from '../index.ts';
import { element, setText } from './element.ts';
import { actionSentence } from './sentences.ts';

export interface NoticeButton {
  label: string;
  press: () => void;
}

export class Notice {
  readonly #box = element('notice');
  readonly #title = element('notice-title');
  readonly #text = element('notice-text');
  readonly #actions = element('notice-actions');

  show(kind: 'stop' | 'note', title: string, text: string, buttons: NoticeButton[] = []): void {
    this.#box.dataset.kind = kind;
    setText(this.#title, title);
    setText(this.#text, text);
    this.#actions.replaceChildren(...buttons.map(button));
    this.#box.hidden = false;
  }

  /** What would help, under a notice that is shown. Extra minutes can be had here and now. */
  offer(actions: readonly Action[], buy: (action: Action) => void): void {
    this.#actions.replaceChildren(
      ...actions.map((action) => {
        const label = actionSentence(action);
        if (action.type === 'buyExtraMinutes') return button({ label, press: () => buy(action) });
        return action.url === undefined ? plain(label) : link(label, action.url);
      }),
    );
  }

  hide(): void {
    this.#box.hidden = true;
  }
}

function button({ label, press }: NoticeButton): HTMLElement {
  const made = document.createElement('button');
  made.type = 'button';
  made.textContent = label;
  made.addEventListener('click', press);
  return made;
}

function plain(label: string): HTMLElement {
  const made = document.createElement('span');
  made.className = 'small';
  made.textContent = label;
  return made;
}

/** Only addresses of the web: what a server names must not be able to run here. */
function link(label: string, url: string): HTMLElement {
  if (!/^https?:/.test(url)) return plain(label);
  const made = document.createElement('a');
  made.href = url;
  made.textContent = label;
  return made;
}
