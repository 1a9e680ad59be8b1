/** One recording: a microphone, the meter that counts it, and the file it becomes. */

import type { GetTicket } from '../index.ts';
import {
  type CheckpointStore,
  MeterClient,
  type MeterListener,
  type MeterState,
} from '../index.ts';
import type { Microphone } from './microphone.ts';
import { RecordingWriter } from './recording-writer.ts';
import type { Recordings } from './recordings.ts';

export interface TakeOptions {
  microphone: Microphone;
  recordings: Recordings;
  getTicket: GetTicket;
  store: CheckpointStore;
  /** To take a session over from another device. */
  session: string | null;
  listener: MeterListener;
}

export class Take {
  readonly client: MeterClient;
  readonly microphone: Microphone;
  readonly #recordings: Recordings;
  #writer: RecordingWriter | null = null;
  #finished: Promise<void> | null = null;

  constructor({ microphone, recordings, session, listener, ...rest }: TakeOptions) {
    this.microphone = microphone;
    this.#recordings = recordings;
    this.client = new MeterClient({
      urls: [location.origin],
      getTicket: rest.getTicket,
      store: rest.store,
      ...(session === null ? {} : { session }),
      capturedMs: () => microphone.capturedMs * this.client.getState().speed,
      onStop: ({ reason }) => this.#finish(reason),
    });
    this.client.subscribe(listener);
  }

  /** The file, once something was captured. */
  get writer(): RecordingWriter | null {
    return this.#writer;
  }

  /** Resolves when it records, or when it will not: then the microphone is closed again. */
  async start(): Promise<MeterState> {
    const state = await this.client.start();
    if (state.phase !== 'recording') {
      await this.microphone.stop();
      return state;
    }
    const writer = new RecordingWriter(
      this.#recordings,
      state.session ?? '',
      this.microphone.mimeType,
    );
    this.#writer = writer;
    this.microphone.start((piece) => writer.take(piece, this.microphone.capturedMs));
    return state;
  }

  pause(): void {
    this.client.pause();
    this.microphone.pause();
  }

  resume(): void {
    this.client.resume();
    this.microphone.resume();
  }

  /** The meter first: what comes after the word is not counted. */
  async stop(): Promise<void> {
    const over = this.client.stop();
    // What could not be stored is in the writer still, and shown from there.
    await this.#finish('stopped').catch(() => {});
    await over;
  }

  #finish(reason: string): Promise<void> {
    this.#finished ??= this.#write(reason);
    return this.#finished;
  }

  async #write(reason: string): Promise<void> {
    await this.microphone.stop();
    await this.#writer?.finish(this.microphone.capturedMs, reason);
  }
}
