import { openCsvSource } from './csv-source.ts';
import type { BackfillFlags } from './flags.ts';
import { openPostgresSource } from './postgres-source.ts';
import { type Source, SourceError } from './source.ts';

/** @throws SourceError */
export function openSource({
  from,
  tables,
}: Pick<BackfillFlags, 'from' | 'tables'>): Promise<Source> {
  if (!/^[a-z]+:\/\//i.test(from)) return openCsvSource(from, tables);
  if (/^postgres(ql)?:\/\//.test(from)) return openPostgresSource(from, tables);
  throw new SourceError(`--from: ${new URL(from).protocol} is neither a file nor postgres://.`);
}
