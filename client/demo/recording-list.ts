/** The recordings of this browser as a list: each plays, downloads, and can be deleted. */
import { element } from './element.ts';
import { dayAndTime, passed, size } from './format.ts';
import { heldRecordings, type Recording, type Recordings } from './recordings.ts';

const extension = (mimeType: string) => (/webm|ogg|mp4/.exec(mimeType) ?? ['audio'])[0];

function describe(recording: Recording, held: boolean): string {
  const parts = [passed(recording.durationMs), size(recording.bytes)];
  if (recording.state === 'open') parts.push(held ? 'recording now' : 'interrupted');
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

interface Unstored {
  recording: Recording;
  audio: Blob;
}

interface Shown {
  item: HTMLElement;
  url: string;
  /** What the item was made from; a recording that did not change keeps its item, and plays on. */
  made: string;
}

export class RecordingList {
  readonly #recordings: Recordings;
  readonly #list = element('recordings');
  readonly #empty = element('no-recordings');
  readonly #template = element<HTMLTemplateElement>('recording');
  #shown = new Map<string, Shown>();
  /** One after the other: two at once would make the same items twice. */
  #showing: Promise<void> = Promise.resolve();

  constructor(recordings: Recordings) {
    this.#recordings = recordings;
  }

  /** `unstored` is shown from memory, first: the browser would not take it. */
  show(unstored: Unstored | null = null): Promise<void> {
    this.#showing = this.#showing.then(() => this.#show(unstored));
    return this.#showing;
  }

  async #show(unstored: Unstored | null): Promise<void> {
    const shown = new Map<string, Shown>();
    const held = await heldRecordings();
    for (const recording of await this.#recordings.list()) {
      if (recording.id === unstored?.recording.id) continue;
      const before = this.#shown.get(recording.id);
      const what = describe(recording, held.has(recording.id));
      const same = before?.made === `${recording.state} ${what}` ? before : null;
      const audio = same === null ? await this.#recordings.audio(recording) : null;
      shown.set(recording.id, same ?? this.#make(recording, what, audio!));
    }
    const items = [...shown.values()].map(({ item }) => item);
    if (unstored !== null) {
      const what = `${describe(unstored.recording, false)} · not stored`;
      items.unshift(this.#make(unstored.recording, what, unstored.audio).item);
    }
    this.#list.replaceChildren(...items);
    for (const [id, { item, url }] of this.#shown) {
      if (shown.get(id)?.url === url) continue;
      // What it may still be loading ends with it.
      const audio = item.querySelector('audio')!;
      audio.removeAttribute('src');
      audio.load();
      URL.revokeObjectURL(url);
    }
    this.#shown = shown;
    this.#empty.hidden = items.length > 0;
  }

  #make(recording: Recording, what: string, content: Blob): Shown {
    // Imported, not cloned: an audio element of the template's own document may not load.
    const item = document.importNode(this.#template.content.firstElementChild as HTMLElement, true);
    const url = URL.createObjectURL(content);
    const when = dayAndTime(recording.startedAt);
    item.dataset.session = recording.session;
    item.querySelector('.when')!.textContent = when;
    item.querySelector('.what')!.textContent = what;
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
    return { item, url, made: `${recording.state} ${what}` };
  }
}
