/** What an id is an id of, by its name and by the path of the call that takes or tells it. */
import type { Api, Call, Schema } from './document.ts';
import type { Scene } from './pool.ts';

/** Of a list, so that no page of a long one fills the pool. */
const MAX_ITEMS = 6;
const MAX_CHARACTERS = 1_000;

/** `id` alone says nothing: it is one of the collection that the path names. */
export function kindOf(name: string, path: string): string {
  if (name === 'cursor' || name === 'nextCursor') return `cursor ${path}`;
  if (name !== 'id') return name;
  const segments = path.split('/');
  const at = segments.indexOf('{id}');
  return `${segments.at(at === -1 ? -1 : at - 1)}.id`;
}

/** Text that somebody made up is none, nor is one word of a few. */
const isText = ({ type, enum: words }: Schema) =>
  [type ?? []].flat().includes('string') && words === undefined;

/** Whether a text of this schema is the id of something, rather than words. */
export const isId = ({ pattern, format }: Schema, name: string): boolean =>
  pattern !== undefined || format === 'uuid' || name === 'cursor';

/** What a call takes that answers may have told. */
export function kindsOf(api: Api, call: Call): string[] {
  const names = call.parameters
    .filter(({ in: where, schema }) => where !== 'header' && isText(api.resolved(schema)))
    .map(({ name }) => name);
  if (call.body !== null) collect(api, call.body, names);
  return [...new Set(names.map((name) => kindOf(name, call.path)))];
}

function collect(api: Api, given: Schema, names: string[], depth = 0): void {
  const schema = api.resolved(given);
  if (depth > 4) return;
  for (const [name, part] of Object.entries(schema.properties ?? {})) {
    if (isText(api.resolved(part))) names.push(name);
    else collect(api, part, names, depth + 1);
  }
  const parts = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  if (schema.items !== undefined) parts.push(schema.items);
  for (const part of parts) collect(api, part, names, depth + 1);
}

/** The scenes of a value that was answered or sent: each object with what stood around it. */
export function scenesOf(
  wanted: ReadonlySet<string>,
  path: string,
  value: unknown,
  around: Scene,
): Scene[] {
  if (Array.isArray(value)) {
    return value.slice(0, MAX_ITEMS).flatMap((item) => scenesOf(wanted, path, item, around));
  }
  if (typeof value !== 'object' || value === null) return [];
  const own: Record<string, string> = { ...around };
  for (const [name, inner] of Object.entries(value)) {
    const kind = kindOf(name, path);
    if (typeof inner !== 'string' || !wanted.has(kind)) continue;
    if (inner !== '' && inner.length <= MAX_CHARACTERS) own[kind] = inner;
  }
  return [own, ...Object.values(value).flatMap((inner) => scenesOf(wanted, path, inner, own))];
}
