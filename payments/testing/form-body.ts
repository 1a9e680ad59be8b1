/** Stripe's form bodies: `a[b]=1&c[0]=2&d[]=3`. */

export type Value = string | Params;
/** Lists are objects with the keys 0, 1, ... */
export interface Params {
  [name: string]: Value;
}

/** Without a prototype: a body may name `__proto__` like anything else. */
export const emptyParams = (): Params => Object.create(null) as Params;

export function parseForm(text: string): Params {
  const params = emptyParams();
  for (const [name, value] of new URLSearchParams(text)) {
    const path = [
      name.replace(/\[.*$/s, ''),
      ...[...name.matchAll(/\[([^\]]*)\]/g)].map((it) => it[1]!),
    ];
    let place = params;
    path.forEach((part, i) => {
      const key = part === '' ? String(Object.keys(place).length) : part;
      if (i === path.length - 1) {
        place[key] = value;
        return;
      }
      const next = place[key];
      if (typeof next === 'object') place = next;
      else {
        const made = emptyParams();
        place[key] = made;
        place = made;
      }
    });
  }
  return params;
}
