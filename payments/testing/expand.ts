/** `expand[]=latest_charge`: ids become what they stand for. https://docs.stripe.com/api/expanding_objects */
import type { Account } from './account.ts';
import { invalidParameter } from './api-error.ts';

/** Stripe expands no deeper. */
const MAXIMUM_DEPTH = 4;

type Json = Record<string, unknown>;

function lookUp(account: Account, id: string): object | undefined {
  const maps: ReadonlyMap<string, object>[] = [
    ...[account.customers, account.methods, account.intents, account.setupIntents],
    ...[account.charges, account.refunds, account.disputes, account.sessions],
  ];
  return maps.map((map) => map.get(id)).find((it) => it !== undefined);
}

function expandOne(account: Account, object: Json, path: readonly string[], whole: string): void {
  const [field, ...rest] = path;
  if (field === undefined) return;
  // A charge holds its refunds only for those who ask.
  if (object.object === 'charge' && field === 'refunds') {
    const data = [...account.refunds.values()].filter((it) => it.charge === object.id).reverse();
    const url = `/v1/charges/${object.id}/refunds`;
    object.refunds = { object: 'list', data, has_more: false, url };
    return;
  }
  const value = object[field];
  if (value === undefined) {
    const message = `This property cannot be expanded (${whole}).`;
    throw invalidParameter('expand', 'parameter_invalid', message);
  }
  if (typeof value === 'string') {
    const found = lookUp(account, value);
    if (found !== undefined) object[field] = structuredClone(found);
  }
  const next = object[field];
  for (const item of Array.isArray(next) ? next : [next]) {
    if (typeof item === 'object' && item !== null) expandOne(account, item as Json, rest, whole);
  }
}

/** @returns a copy */
export function expand(account: Account, object: object, paths: readonly string[]): object {
  const copy = structuredClone(object);
  for (const path of paths) {
    const parts = path.split('.');
    if (parts.length > MAXIMUM_DEPTH + (parts[0] === 'data' ? 1 : 0)) {
      const message = `You cannot expand more than ${MAXIMUM_DEPTH} levels of a property (${path}).`;
      throw invalidParameter('expand', 'parameter_invalid', message);
    }
    expandOne(account, copy as Json, parts, path);
  }
  return copy;
}
