/** One recording on its way to the store. It never fails while recording; it tells at the end. */
import { holdRecording, type Recording, type Recordings } from './recordings.ts';

export class RecordingWriter {
  readonly #recordings: Recordings;
  readonly #pieces: Blob[] = [];
  #recording: Recording;
  readonly #letGo: () => void;
  #failure: unknown = null;

  constructor(recordings: Recordings, session: string, mimeType: string) {
    this.#recordings = recordings;
    const startedAt = Date.now();
    this.#recording = {
      id: `${startedAt}-${session}`,
      session,
      mimeType,
      startedAt,
      durationMs: 0,
      bytes: 0,
      state: 'open',
      reason: null,
    };
    this.#letGo = holdRecording(this.#recording.id);
  }

  get recording(): Recording {
    return this.#recording;
  }

  /** All of it, from memory: for a browser that would not store it. */
  get audio(): Blob {
    return new Blob(this.#pieces, { type: this.#recording.mimeType });
  }

  /** Whether all of it is in the store so far. */
  get isStored(): boolean {
    return this.#failure === null;
  }

  async take(piece: Blob, capturedMs: number): Promise<void> {
    const index = this.#pieces.push(piece) - 1;
    this.#recording = {
      ...this.#recording,
      durationMs: Math.round(capturedMs),
      bytes: this.#recording.bytes + piece.size,
    };
    // A hole would spoil all that follows: once a piece is lost, the rest is kept in memory only.
    if (this.#failure !== null) return;
    try {
      await this.#recordings.put(this.#recording, { index, content: await piece.arrayBuffer() });
    } catch (error) {
      this.#failure = error;
    }
  }

  /** Resolves when the recording is on disk, whole; rejects when part of it is in memory only. */
  async finish(capturedMs: number, reason: string): Promise<void> {
    const durationMs = Math.round(capturedMs);
    this.#letGo();
    this.#recording = { ...this.#recording, durationMs, state: 'finished', reason };
    if (this.#failure !== null) throw this.#failure;
    // Stopped before the first sound: there is nothing to keep.
    if (this.#recording.bytes === 0) return;
    await this.#recordings.put(this.#recording).catch((error: unknown) => {
      this.#failure = error;
      throw error;
    });
  }
}
