/** The microphone and what comes of it. */
export class Tape {
  #stream: MediaStream | null = null;
  #recorder: MediaRecorder | null = null;
  #pieces: Blob[] = [];

  /** Asks for the microphone. */
  async open(): Promise<void> {
    this.#stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  }

  start(): void {
    if (this.#stream === null) return;
    this.#pieces = [];
    this.#recorder = new MediaRecorder(this.#stream);
    this.#recorder.ondataavailable = ({ data }) => this.#pieces.push(data);
    this.#recorder.start(1000);
  }

  /** A URL of the recording, or null where nothing was recorded. */
  async stop(): Promise<string | null> {
    const recorder = this.#recorder;
    this.#recorder = null;
    if (recorder !== null) {
      await new Promise((resolve) => {
        recorder.onstop = resolve;
        recorder.stop();
      });
    }
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    if (recorder === null) return null;
    return URL.createObjectURL(new Blob(this.#pieces, { type: recorder.mimeType }));
  }
}
