/**
 * Recordings, kept in this browser's IndexedDB piece by piece as they come: a crash costs the last
 * second at most. What the browser will not store is kept in memory for as long as the page lives.
 */
const DATABASE = 'taximeter-recordings';
const VERSION = 1;

export interface Recording {
  id: string;
  session: string;
  mimeType: string;
  startedAt: number;
  /** What was captured, in real milliseconds. */
  durationMs: number;
  bytes: number;
  /** Open, and held by no page: it was interrupted. */
  state: 'open' | 'finished';
  /** Why it ended, as the meter named it; null where it was interrupted. */
  reason: string | null;
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function committed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('The browser gave up.'));
  });
}

function openDatabase(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, VERSION);
  request.onupgradeneeded = () => {
    request.result.createObjectStore('recordings', { keyPath: 'id' });
    // Keyed by [recording, index]: all pieces of a recording in order are one range.
    request.result.createObjectStore('pieces');
  };
  return done(request);
}

const piecesOf = (id: string) => IDBKeyRange.bound([id, 0], [id, Number.MAX_SAFE_INTEGER]);

export class Recordings {
  readonly #database: IDBDatabase;

  private constructor(database: IDBDatabase) {
    this.#database = database;
  }

  static async open(): Promise<Recordings> {
    return new Recordings(await openDatabase());
  }

  /** Newest first. */
  async list(): Promise<Recording[]> {
    const store = this.#database.transaction('recordings').objectStore('recordings');
    const all: Recording[] = await done(store.getAll());
    return all.sort((one, other) => other.startedAt - one.startedAt);
  }

  async audio(recording: Recording): Promise<Blob> {
    const store = this.#database.transaction('pieces').objectStore('pieces');
    const pieces: ArrayBuffer[] = await done(store.getAll(piecesOf(recording.id)));
    return new Blob(pieces, { type: recording.mimeType });
  }

  /** The recording as it stands, with its next piece if there is one: both or neither. */
  async put(recording: Recording, piece?: { index: number; content: ArrayBuffer }): Promise<void> {
    const transaction = this.#database.transaction(['recordings', 'pieces'], 'readwrite', {
      durability: 'strict',
    });
    transaction.objectStore('recordings').put(recording);
    if (piece !== undefined) {
      transaction.objectStore('pieces').put(piece.content, [recording.id, piece.index]);
    }
    await committed(transaction);
  }

  async remove(id: string): Promise<void> {
    const transaction = this.#database.transaction(['recordings', 'pieces'], 'readwrite');
    transaction.objectStore('recordings').delete(id);
    transaction.objectStore('pieces').delete(piecesOf(id));
    await committed(transaction);
  }
}

/**
 * Marks a recording as being written, for all pages of this browser, until the returned function is
 * called or the page is gone, however it goes.
 */
export function holdRecording(id: string): () => void {
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  void navigator.locks.request(id, () => held);
  return letGo;
}

export async function heldRecordings(): Promise<Set<string>> {
  const { held } = await navigator.locks.query();
  return new Set((held ?? []).map(({ name }) => name ?? ''));
}
