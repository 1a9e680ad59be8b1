/** The types of a call, read from the API document: what it takes and what it answers. */
import type { paths } from './api.mjs';
import type { CallOptions } from './call.ts';

export type Verb = 'get' | 'put' | 'post' | 'delete';
interface Operation {
  responses: object;
}

type PathIn<Map, V extends Verb> = {
  [Path in keyof Map]: Map[Path] extends { [K in V]: Operation } ? Path : never;
}[keyof Map];
type OperationIn<Map, V extends Verb, Path> = Path extends keyof Map
  ? Map[Path] extends { [K in V]: infer Found extends Operation }
    ? Found
    : never
  : never;

/** Paths that take this verb. */
export type PathOf<V extends Verb> = PathIn<paths, V>;
type OperationOf<V extends Verb, Path> = OperationIn<paths, V, Path>;

type Parameter<Op, Place extends 'path' | 'query'> = Op extends {
  parameters: { [K in Place]?: infer Given };
}
  ? Exclude<Given, undefined>
  : never;

type BodyOf<Op> = Op extends { requestBody: { content: { 'application/json': infer Body } } }
  ? Body
  : never;

/** An optional field where everything in it is, and none where there is nothing to give. */
type Field<Name extends string, Value> = [Value] extends [never]
  ? unknown
  : object extends Value
    ? { [K in Name]?: Value }
    : { [K in Name]: Value };

export type Given<V extends Verb, Path extends PathOf<V>> = Field<
  'path',
  Parameter<OperationOf<V, Path>, 'path'>
> &
  Field<'query', Parameter<OperationOf<V, Path>, 'query'>> &
  Field<'body', BodyOf<OperationOf<V, Path>>> &
  CallOptions;

type Content<Response> = Response extends { content: infer Types } ? Types[keyof Types] : null;

export type Answer<V extends Verb, Path extends PathOf<V>> =
  OperationOf<V, Path> extends { responses: infer All }
    ? { [Status in keyof All & (200 | 201 | 202 | 204)]: Content<All[Status]> }[keyof All &
        (200 | 201 | 202 | 204)]
    : never;
export type Body<V extends Verb, Path extends PathOf<V>> = BodyOf<OperationOf<V, Path>>;
export type Query<V extends Verb, Path extends PathOf<V>> = Parameter<
  OperationOf<V, Path>,
  'query'
>;

export type Ask = <V extends Verb, Path extends PathOf<V>>(
  verb: V,
  path: Path,
  given: Given<V, Path>,
) => Promise<Answer<V, Path>>;

interface LooseGiven {
  path?: Record<string, string> | undefined;
  query?: Record<string, unknown> | undefined;
}

/** `/v1/orgs/{org}` and `{ path: { org: 'acme' } }` make `/v1/orgs/acme`. */
export function pathOf(template: string, { path = {}, query = {} }: LooseGiven): string {
  const filled = template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = path[name];
    if (typeof value !== 'string' || value === '') {
      throw new TypeError(`\`${name}\` of ${template} is missing`);
    }
    return encodeURIComponent(value);
  });
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null) search.append(name, String(value));
  }
  return search.size === 0 ? filled : `${filled}?${search}`;
}
