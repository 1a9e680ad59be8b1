/** Schemas as tables of fields, and text that is safe in a page. */
import type { JsonSchema } from './openapi-example.ts';

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ESCAPES[character]!);
}
/** Descriptions are plain text with `code` in it. */
export function prose(text = ''): string {
  return escaped(text).replace(/`([^`]+)`/g, '<code>$1</code>');
}

export function typeOf(schema: JsonSchema | undefined): string {
  if (schema === undefined) return '';
  if (schema.$ref !== undefined) {
    const name = escaped(schema.$ref.split('/').at(-1)!);
    return `<a href="#schema-${name}">${name}</a>`;
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return choices.map(typeOf).join(' or ');
  // The first says what it is, the others narrow it.
  if (schema.allOf !== undefined) return typeOf(schema.allOf[0]);
  if (schema.enum !== undefined)
    return schema.enum.map((one) => escaped(JSON.stringify(one))).join(' | ');
  if (schema.const !== undefined) return escaped(JSON.stringify(schema.const));
  if (schema.items !== undefined) return `list of ${typeOf(schema.items)}`;
  if (typeof schema.additionalProperties === 'object') {
    return `object of ${typeOf(schema.additionalProperties)}`;
  }
  return escaped(
    [schema.type ?? 'any'].flat().join(' or ') + (schema.format ? ` (${schema.format})` : ''),
  );
}

function rangeOf(schema: JsonSchema): string {
  const parts = [
    schema.minimum === undefined ? '' : `from ${schema.minimum}`,
    schema.exclusiveMinimum === undefined ? '' : `above ${schema.exclusiveMinimum}`,
    schema.maximum === undefined ? '' : `to ${schema.maximum}`,
    schema.maxLength === undefined ? '' : `up to ${schema.maxLength} characters`,
    schema.maxItems === undefined ? '' : `up to ${schema.maxItems}`,
    schema.default === undefined ? '' : `default ${JSON.stringify(schema.default)}`,
  ];
  const said = parts.filter(Boolean).join(', ');
  return said === '' ? '' : `<small>${escaped(said)}</small>`;
}

const DEEPEST = 3;

export function fields(schema: JsonSchema | undefined, depth = 0): string {
  const properties = schema?.properties ?? schema?.items?.properties;
  if (properties === undefined) return depth === 0 ? `<p><code>${typeOf(schema)}</code></p>` : '';
  const required = new Set(schema?.required ?? schema?.items?.required);
  const rows = Object.entries(properties).map(([name, field]) => {
    const needed = required.has(name) ? '' : ' <small>optional</small>';
    const inner = field.$ref === undefined && depth < DEEPEST ? fields(field, depth + 1) : '';
    return `<tr><td><code>${escaped(name)}</code>${needed}</td><td><code>${typeOf(field)}</code> ${rangeOf(field)}</td><td>${prose(field.description)}${inner}</td></tr>`;
  });
  return `<table>${rows.join('')}</table>`;
}
