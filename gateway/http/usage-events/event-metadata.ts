/** What is said of an event: encrypted where a key is set, like that of sessions. */
import type { TextCipher } from '../../../core/runtime/text-cipher.ts';
import { eventPlace } from '../../../drizzle/queries/rekey-metadata.ts';

type Metadata = Record<string, string>;

/** null: nothing was said. */
export function sealedMetadata(
  cipher: TextCipher,
  org: string,
  id: string,
  metadata: Metadata,
): string | null {
  if (Object.keys(metadata).length === 0) return null;
  return cipher.seal(JSON.stringify(metadata), eventPlace(org, id));
}

/** null: it can't be read with our keys. */
export function metadataOf(
  cipher: TextCipher,
  row: { org: string; id: string; metadata: string | null },
): Metadata | null {
  if (row.metadata === null) return {};
  const opened = cipher.open(row.metadata, eventPlace(row.org, row.id));
  return opened.status === 'ok' ? JSON.parse(opened.text) : null;
}
