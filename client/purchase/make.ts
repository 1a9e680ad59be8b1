/** Elements of the page, made in one line each. Texts are texts: nothing here is read as HTML. */

type Attributes = Readonly<Record<string, string>>;

export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  className: string,
  content: string | readonly Node[] = [],
  attributes: Attributes = {},
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (typeof content === 'string') made.textContent = content;
  else made.append(...content);
  return made;
}

export function makeButton(className: string, text: string, press: () => void): HTMLButtonElement {
  const made = make('button', `tm-button ${className}`.trim(), text, { type: 'button' });
  made.addEventListener('click', press);
  return made;
}

/** Touches the page only where something changes: what is read out must not be read twice. */
export function say(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}
