/** The recordings of this browser as a list: each plays, downloads, and can be deleted. */
import { element } from './element.ts';
import { dayAndTime, passed, size } from './format.ts';
import type { Recording, Recordings } from './recordings.ts';

/** An open recording whose last piece is older than this was interrupted. */
const INTERRUPTED_AFTER_MS = 5_000;

const extension = (mimeType: string) => (/webm|ogg|mp4/.exec(mimeType) ?? ['audio'])[0];

function describe(recording: Recording): string {
  const parts = [passed(recording.durationMs), size(recording.bytes)];
  if (recording.state === 'open') {
    const quietMs = Date.now() - recording.updatedAt;
    parts.push(quietMs > INTERRUPTED_AFTER_MS ? 'interrupted' : 'recording now');
  }
  return parts.join(' · ');
}

/**
 * What MediaRecorder writes carries no length, so that players show none. Seeking past the end
 * makes the browser find it.
 */
function findLength(audio: HTMLAudioElement): void {
  audio.addEventListener(
    'loadedmetadata',
    () => {
      if (Number.isFinite(audio.duration)) return;
      audio.addEventListener('durationchange', () => {
        if (Number.isFinite(audio.duration)) audio.currentTime = 0;
      });
      audio.currentTime = Number.MAX_SAFE_INTEGER;
    },
    { once: true },
  );
}

export class RecordingList {
  readonly #recordings: Recordings;
  readonly #list = element('recordings');
  readonly #empty = element('no-recordings');
  readonly #template = element<HTMLTemplateElement>('recording');
  readonly #urls: string[] = [];

  constructor(recordings: Recordings) {
    this.#recordings = recordings;
  }

  /** `unstored` is shown from memory, first: the browser would not take it. */
  async show(unstored: { recording: Recording; audio: Blob } | null = null): Promise<void> {
    const stored = await this.#recordings.list();
    const entries: { recording: Recording; audio: Blob }[] = unstored === null ? [] : [unstored];
    for (const recording of stored) {
      if (recording.id === unstored?.recording.id) continue;
      entries.push({ recording, audio: await this.#recordings.audio(recording) });
    }
    for (const url of this.#urls.splice(0)) URL.revokeObjectURL(url);
    this.#list.replaceChildren(...entries.map((entry) => this.#item(entry.recording, entry.audio)));
    this.#empty.hidden = entries.length > 0;
  }

  #item(recording: Recording, content: Blob): HTMLElement {
    const item = this.#template.content.firstElementChild!.cloneNode(true) as HTMLElement;
    const url = URL.createObjectURL(content);
    this.#urls.push(url);
    const when = dayAndTime(recording.startedAt);
    item.dataset.session = recording.session;
    item.querySelector('.when')!.textContent = when;
    item.querySelector('.what')!.textContent = describe(recording);
    const audio = item.querySelector('audio')!;
    audio.setAttribute('aria-label', `Recording of ${when}`);
    findLength(audio);
    audio.src = url;
    const link = item.querySelector('a')!;
    link.href = url;
    link.download = `recording-${recording.id}.${extension(recording.mimeType)}`;
    item.querySelector('.remove')!.addEventListener('click', async () => {
      await this.#recordings.remove(recording.id);
      await this.show();
    });
    return item;
  }
}
