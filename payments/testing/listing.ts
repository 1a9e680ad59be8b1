/** Lists: newest first, by cursor: https://docs.stripe.com/api/pagination */
import { invalidParameter, refusal } from './api-error.ts';
import type { Params } from './form-body.ts';
import { integer, nested, text } from './parameters.ts';

const DEFAULT_LIMIT = 10;
const MAXIMUM_LIMIT = 100;

/** What every list takes, besides its own filters. */
export const LIST_PARAMETERS = ['created', 'limit', 'starting_after', 'ending_before'];

interface Listed {
  id: string;
  created: number;
}

export interface Page<Item> {
  object: 'list';
  url: string;
  has_more: boolean;
  data: Item[];
}

function createdFits(params: Params, created: number): boolean {
  if (nested(params, 'created') === null) {
    const exact = integer(params, 'created');
    return exact === null || created === exact;
  }
  const bound = (name: string) => integer(params, `created.${name}`);
  const [gt, gte, lt, lte] = [bound('gt'), bound('gte'), bound('lt'), bound('lte')];
  return (
    (gt === null || created > gt) &&
    (gte === null || created >= gte) &&
    (lt === null || created < lt) &&
    (lte === null || created <= lte)
  );
}

/** @param all oldest first, as they were made: within a second this order decides */
export function page<Item extends Listed>(
  url: string,
  all: Iterable<Item>,
  params: Params,
  fits: (item: Item) => boolean = () => true,
): Page<Item> {
  const limit = integer(params, 'limit') ?? DEFAULT_LIMIT;
  if (limit < 1 || limit > MAXIMUM_LIMIT) {
    const message = `Limit must be between 1 and ${MAXIMUM_LIMIT}, was ${limit}.`;
    throw invalidParameter('limit', 'parameter_invalid_integer', message);
  }
  const every = [...all].reverse();
  const place = (param: string): number | null => {
    const id = text(params, param);
    if (id === null) return null;
    const index = every.findIndex((item) => item.id === id);
    if (index === -1) throw refusal('resource_missing', `No such object: '${id}'`, { param });
    return index;
  };
  const [after, before] = [place('starting_after'), place('ending_before')];
  const found = every.filter(
    (item, i) =>
      (after === null || i > after) &&
      (before === null || i < before) &&
      createdFits(params, item.created) &&
      fits(item),
  );
  // Backwards, the page is the one that ends at the cursor.
  const data = before === null ? found.slice(0, limit) : found.slice(-limit);
  return { object: 'list', url, has_more: found.length > data.length, data };
}
