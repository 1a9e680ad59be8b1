/**
 * Where a recorder keeps what it needs to take its session up again after a reload. A checkpoint
 * authenticates a resume: keep it where only this recorder reads it.
 */
export interface CheckpointRecord {
  session: string;
  checkpoint: string;
  /** The client's own stopwatch at that moment, so that it goes on where it was. Meter time. */
  recordedMs: number;
  /** By the clock on the wall. */
  savedAt: number;
}

export interface CheckpointStore {
  load(): CheckpointRecord | null;
  save(record: CheckpointRecord): void;
  clear(): void;
}

/** Lives as long as the process: enough for reconnects, not for a reload. */
export function memoryCheckpointStore(): CheckpointStore {
  let kept: CheckpointRecord | null = null;
  return {
    load: () => kept,
    save: (record) => {
      kept = record;
    },
    clear: () => {
      kept = null;
    },
  };
}

/** The part of the browser's `Storage` that is used. */
export interface KeyValueStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

function parse(text: string | null): CheckpointRecord | null {
  if (text === null) return null;
  try {
    const value = JSON.parse(text) as CheckpointRecord | null;
    const fits =
      typeof value?.session === 'string' &&
      typeof value.checkpoint === 'string' &&
      Number.isFinite(value.recordedMs) &&
      Number.isFinite(value.savedAt);
    return fits ? value : null;
  } catch {
    return null;
  }
}

/**
 * In a browser's storage. `sessionStorage` belongs to one tab and survives its reload: the right
 * place for a recorder. With `localStorage` a second tab would take the session over.
 * A storage that is full or forbidden is no reason to stop recording: it then keeps nothing.
 */
export function storageCheckpointStore(storage: KeyValueStorage, key: string): CheckpointStore {
  const quietly = <T>(act: () => T, otherwise: T): T => {
    try {
      return act();
    } catch {
      return otherwise;
    }
  };
  return {
    load: () => quietly(() => parse(storage.getItem(key)), null),
    save: (record) => quietly(() => storage.setItem(key, JSON.stringify(record)), undefined),
    clear: () => quietly(() => storage.removeItem(key), undefined),
  };
}
