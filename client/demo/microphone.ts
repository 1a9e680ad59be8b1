/** The microphone and the recorder on it: opens, captures in small pieces, pauses, stops. */
import { microphoneSentence } from './sentences.ts';

/** How much of a recording a crash of the browser can cost. */
const PIECE_MS = 1_000;
const FORMATS = ['audio/webm;codecs=opus', 'audio/ogg;codecs=opus', 'audio/mp4'];

export type TakePiece = (piece: Blob) => Promise<void>;

export class Microphone {
  readonly #stream: MediaStream;
  readonly #recorder: MediaRecorder;
  readonly #audio: AudioContext;
  readonly #analyser: AnalyserNode;
  readonly #samples: Uint8Array<ArrayBuffer>;
  #capturedMs = 0;
  #sinceMs: number | null = null;
  /** Pieces are taken one after the other, in order. */
  #taken: Promise<void> = Promise.resolve();

  private constructor(stream: MediaStream) {
    this.#stream = stream;
    const mimeType = FORMATS.find((format) => MediaRecorder.isTypeSupported(format));
    this.#recorder = new MediaRecorder(stream, mimeType === undefined ? {} : { mimeType });
    this.#audio = new AudioContext();
    this.#analyser = this.#audio.createAnalyser();
    this.#analyser.fftSize = 512;
    this.#samples = new Uint8Array(this.#analyser.fftSize);
    this.#audio.createMediaStreamSource(stream).connect(this.#analyser);
  }

  /** Asks for the microphone. Rejects with a sentence that says what to do. */
  static async open(): Promise<Microphone> {
    if (navigator.mediaDevices === undefined)
      throw new Error(microphoneSentence('InsecureContext'));
    try {
      return new Microphone(await navigator.mediaDevices.getUserMedia({ audio: true }));
    } catch (error) {
      throw new Error(
        microphoneSentence(error instanceof DOMException ? error.name : String(error)),
      );
    }
  }

  get mimeType(): string {
    return this.#recorder.mimeType;
  }

  /** Real milliseconds captured, pauses not counted. */
  get capturedMs(): number {
    return this.#capturedMs + (this.#sinceMs === null ? 0 : performance.now() - this.#sinceMs);
  }

  /** Loudness now, 0 to 1. */
  get level(): number {
    this.#analyser.getByteTimeDomainData(this.#samples);
    let square = 0;
    for (const sample of this.#samples) square += ((sample - 128) / 128) ** 2;
    return Math.min(1, Math.sqrt(square / this.#samples.length) * 3);
  }

  /** `takePiece` gets the first piece after a second; what it returns is awaited by `stop`. */
  start(takePiece: TakePiece): void {
    this.#recorder.addEventListener('dataavailable', ({ data }) => {
      if (data.size > 0) this.#taken = this.#taken.then(() => takePiece(data));
    });
    this.#recorder.start(PIECE_MS);
    this.#sinceMs = performance.now();
    void this.#audio.resume();
  }

  pause(): void {
    if (this.#recorder.state !== 'recording') return;
    this.#recorder.pause();
    this.#halt();
  }

  resume(): void {
    if (this.#recorder.state !== 'paused') return;
    this.#recorder.resume();
    this.#sinceMs = performance.now();
  }

  /** Resolves when the last piece has been taken. The light of the microphone goes out. */
  async stop(): Promise<void> {
    this.#halt();
    if (this.#recorder.state !== 'inactive') {
      const stopped = new Promise((resolve) => {
        this.#recorder.addEventListener('stop', resolve, { once: true });
      });
      this.#recorder.stop();
      await stopped;
    }
    for (const track of this.#stream.getTracks()) track.stop();
    if (this.#audio.state !== 'closed') await this.#audio.close();
    await this.#taken;
  }

  #halt(): void {
    this.#capturedMs = this.capturedMs;
    this.#sinceMs = null;
  }
}
