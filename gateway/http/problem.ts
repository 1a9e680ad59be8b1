/** RFC 9457 problem documents: one way to say no, for every route. */
import { z } from '@hono/zod-openapi';
import { PROBLEM_CODES, PROBLEMS, type ProblemCode, type ProblemStatus } from './problem-codes.ts';

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';
/** Seconds after which a 503 is worth another try. */
const RETRY_AFTER_SECONDS = 2;

export const actionSchema = z
  .object({
    type: z.enum(['buyExtraMinutes', 'upgrade', 'askAdmin', 'wait']),
    url: z.string().optional(),
    package: z.string().optional(),
    until: z.iso.datetime({ offset: true }).optional(),
  })
  .openapi('Action', { description: 'What would help.' });
export type HttpAction = z.infer<typeof actionSchema>;

/** The figures by which a limit refused; which of them there are depends on the limit. */
const figuresSchema = z.object({
  binding: z.string().optional().openapi({ description: 'The limit that decides.' }),
  scope: z.string().optional().openapi({ description: 'Whose limit it is.' }),
  per: z.string().optional(),
  used: z.number().optional(),
  limit: z.number().nullable().optional(),
  remaining: z.number().nullable().optional(),
  resetsAt: z.iso.datetime({ offset: true }).optional(),
});
export type ProblemFigures = z.infer<typeof figuresSchema>;

export const problemSchema = z
  .object({
    type: z.string().openapi({ description: 'Where the code is explained.' }),
    title: z.string(),
    status: z.int(),
    code: z.enum(PROBLEM_CODES).openapi({ description: 'Stable: decide by this.' }),
    detail: z.string().openapi({ description: 'What happened and what to do, for a person.' }),
    instance: z.string().optional().openapi({ description: 'Names this occurrence in the logs.' }),
    actions: z.array(actionSchema).openapi({ description: 'What would help, most useful first.' }),
    errors: z
      .array(z.object({ pointer: z.string(), detail: z.string() }))
      .optional()
      .openapi({ description: 'With code `invalid`: every value that was wrong.' }),
    ...figuresSchema.shape,
  })
  .openapi('Problem');
export type Problem = z.infer<typeof problemSchema>;

export interface ProblemExtras {
  actions?: HttpAction[];
  errors?: { pointer: string; detail: string }[];
  instance?: string;
  figures?: ProblemFigures;
  headers?: Record<string, string>;
  /** Where one code fits a second status: an unknown plan is 404 in a path, 422 in a body. */
  status?: 422;
}

/** Thrown by whatever cannot go on; `app.ts` answers with it. */
export class ProblemError extends Error {
  readonly code: ProblemCode;
  readonly extras: ProblemExtras;
  /** `detail`: what happened, what to do, and the value that was wrong. Never internals. */
  constructor(code: ProblemCode, detail: string, extras: ProblemExtras = {}) {
    super(detail);
    this.name = 'ProblemError';
    this.code = code;
    this.extras = extras;
  }

  get status(): ProblemStatus {
    return this.extras.status ?? PROBLEMS[this.code][0];
  }

  toResponse(): Response {
    const { actions = [], errors, instance, figures } = this.extras;
    const body: Problem = {
      type: `/docs#problem-${this.code}`,
      title: PROBLEMS[this.code][1],
      status: this.status,
      code: this.code,
      detail: this.message,
      ...(instance === undefined ? {} : { instance }),
      actions,
      ...(errors === undefined ? {} : { errors }),
      ...figures,
    };
    const headers = new Headers(this.extras.headers);
    headers.set('content-type', PROBLEM_MEDIA_TYPE);
    if (this.status === 401) headers.set('www-authenticate', 'Bearer realm="taximeter"');
    if (this.status === 503) headers.set('retry-after', String(RETRY_AFTER_SECONDS));
    return new Response(JSON.stringify(body), { status: this.status, headers });
  }
}

const EVERYWHERE = [
  'credentialsMissing',
  'keyInvalid',
  'ticketInvalid',
  'ticketStale',
  'notAllowed',
  'invalid',
  'rateLimited',
  'ledgerUnavailable',
] as const;

/**
 * `responses` of a route: the problems it can answer with besides those of every route, each with the
 * status it has there if that is another than usual. They are thrown, so a handler's type need not
 * know them: hence the empty type.
 */
export function problemResponses(
  ...codes: (ProblemCode | readonly [ProblemCode, 422])[]
): Record<never, never> {
  const byStatus = new Map<ProblemStatus, Set<ProblemCode>>();
  for (const given of [...codes, ...EVERYWHERE]) {
    const [code, status] = typeof given === 'string' ? [given, PROBLEMS[given][0]] : given;
    byStatus.set(status, (byStatus.get(status) ?? new Set()).add(code));
  }
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => [
      status,
      {
        description: problemWords([...of]),
        content: { [PROBLEM_MEDIA_TYPE]: { schema: problemSchema.and(codesSchema([...of])) } },
      },
    ]),
  );
}

/** Which codes one route answers with: programs that are made from the document know all of them. */
function codesSchema([first, ...others]: ProblemCode[]) {
  return z.object({ code: z.enum([first!, ...others]) });
}

export function problemWords(codes: readonly ProblemCode[]): string {
  return codes.map((code) => `${PROBLEMS[code][1]} (\`${code}\`)`).join(', ');
}
