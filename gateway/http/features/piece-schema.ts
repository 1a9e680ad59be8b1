/** What a feature's pieces look like in the API. */
import { z } from '@hono/zod-openapi';
import type { ProblemFigures } from '../problem.ts';
import { idSchema, instant, instantSchema } from '../schemas.ts';
import { bindingCount, type PieceCount, remainingOf } from './piece-limit.ts';

/** Pieces of one call, and far from where sums stop being exact. */
export const MAX_QUANTITY = 1_000_000;

export const quantitySchema = z.int().min(1).max(MAX_QUANTITY);

export const piecesSchema = z
  .object({
    feature: idSchema('analysis'),
    used: z.int().min(0),
    limit: z.int().min(0).nullable().openapi({ description: 'null = not limited by the piece' }),
    remaining: z.int().min(0).nullable().openapi({ description: 'null = not limited' }),
    resetsAt: instantSchema.openapi({ description: 'When its day or month is over.' }),
    per: z.enum(['day', 'month']).openapi({
      description: 'Local day of the organization, or billing month.',
    }),
    scope: z.enum(['organization', 'member']).openapi({
      description: 'Whose limit it is: of several the most restrictive.',
    }),
  })
  .openapi('Pieces', { description: 'Of a feature, by the limit that decides.' });
export type PiecesShown = z.infer<typeof piecesSchema>;

export function piecesShown(feature: string, counts: readonly PieceCount[]): PiecesShown {
  const count = bindingCount(counts);
  const { used, limit, per, scope } = count;
  const remaining = remainingOf(count);
  return { feature, used, limit, remaining, resetsAt: instant(count.resetsAt), per, scope };
}

/** The same in a refusal. */
export function piecesRefused({ feature: _, ...figures }: PiecesShown): ProblemFigures {
  return { binding: 'feature', ...figures };
}
