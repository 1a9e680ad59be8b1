/** The recorder page: what a person presses, and what they are told. */
import { isOver, MeterClient, type MeterState, storageCheckpointStore } from '../index.ts';
import {
  type DemoConfig,
  fetchConfig,
  fetchReading,
  fetchTicket,
  giveExtraMinutes,
} from './demo-api.ts';
import { element, setText } from './element.ts';
import { ExtraMinutes } from './extra-minutes.ts';
import { passed } from './format.ts';
import { MeterView } from './meter-view.ts';
import { Microphone } from './microphone.ts';
import { Notice } from './notice.ts';
import { RecordingList } from './recording-list.ts';
import { Recordings } from './recordings.ts';
import {
  expirySentence,
  SAVE_SENTENCES,
  sourceSentence,
  stopSentence,
  warningSentence,
  worthTelling,
} from './sentences.ts';
import { Take } from './take.ts';
import { Toasts } from './toasts.ts';
import { Waveform } from './waveform.ts';

const EXTRA_MINUTES = 5;
/** A session of before a reload is offered again for as long as it can be resumed by default. */
const RESUMABLE_MS = 120_000;

class RecorderPage {
  readonly #config: DemoConfig;
  readonly #user: string;
  readonly #recordings: Recordings;
  readonly #list: RecordingList;
  readonly #view: MeterView;
  readonly #store;
  readonly #notice = new Notice();
  readonly #toasts = new Toasts();
  readonly #waveform = new Waveform(element<HTMLCanvasElement>('waveform'));
  readonly #record = element<HTMLButtonElement>('record');
  readonly #pause = element<HTMLButtonElement>('pause');
  readonly #stop = element<HTMLButtonElement>('stop');
  readonly #told = new Set<string>();
  readonly #extra: ExtraMinutes;
  #session: string | null;
  #take: Take | null = null;
  #source: string | null = null;
  #expiry: string | null = null;

  constructor(config: DemoConfig, recordings: Recordings, asked: URLSearchParams) {
    this.#config = config;
    this.#user = asked.get('user') ?? config.user;
    this.#session = asked.get('session');
    this.#recordings = recordings;
    this.#list = new RecordingList(recordings);
    this.#view = new MeterView(config.speed);
    this.#store = storageCheckpointStore(sessionStorage, `taximeter:${this.#user}`);
    setText(element('org'), config.org);
    setText(element('user'), this.#user);
    this.#extra = new ExtraMinutes(config.org, this.#user, {
      toasts: this.#toasts,
      method: asked.get('pay') === 'checkout' ? 'checkout' : 'paymentIntent',
      changed: () => void this.#showBudget(),
    });
    const clock = element('test-clock');
    clock.hidden = config.speed === 1;
    const rate = config.speed === 60 ? 'a minute' : `${config.speed} seconds`;
    setText(clock, `Test clock ×${config.speed}: one real second is ${rate} of meter time.`);
    this.#record.addEventListener('click', () => void this.record());
    this.#stop.addEventListener('click', () => void this.#take?.stop().then(() => this.#over()));
    this.#pause.addEventListener('click', () => this.#togglePause());
    element('extra-minutes').addEventListener('click', () => void this.#giveMinutes());
    window.addEventListener('online', () => this.#take?.client.wake());
    document.addEventListener('visibilitychange', () => this.#take?.client.wake());
  }

  async open(startsItself: boolean): Promise<void> {
    await this.#list.show();
    this.#record.disabled = false;
    void this.#showBudget();
    void this.#extra.show();
    const kept = this.#store.load();
    const open = kept !== null && Date.now() - kept.savedAt < RESUMABLE_MS;
    if (kept !== null && !open) this.#store.clear();
    if (startsItself) {
      await this.record();
    } else if (open) {
      const text = `It stands at ${passed(kept.recordedMs)}, and can be taken up for two minutes.`;
      this.#notice.show('note', 'A session is open from before the reload', text, [
        { label: 'Continue recording', press: () => void this.record() },
        { label: 'End it', press: () => void this.#endKept() },
      ]);
    }
  }

  /** What is left, while nothing is being recorded. Without an answer the page just does not say. */
  async #showBudget(): Promise<void> {
    const reading = await fetchReading(this.#config.org, this.#user).catch(() => null);
    const isIdle = this.#take === null || isOver(this.#take.client.getState());
    if (reading !== null && isIdle) this.#view.showBudget(reading);
  }

  async record(): Promise<void> {
    this.#record.disabled = true;
    this.#notice.hide();
    this.#toasts.clear();
    this.#told.clear();
    this.#source = null;
    this.#expiry = null;
    try {
      const microphone = await Microphone.open();
      const take = new Take({
        microphone,
        recordings: this.#recordings,
        getTicket: () => fetchTicket(this.#user),
        store: this.#store,
        session: this.#session,
        listener: (state) => this.#changed(state),
      });
      this.#take = take;
      this.#extra.watch(take.client);
      // A session is taken over once; the next recording is a session of its own.
      this.#session = null;
      requestAnimationFrame((nowMs) => this.#frame(take, nowMs));
      await take.start();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#notice.show('stop', 'No microphone', text);
    }
    this.#record.disabled = false;
  }

  /** Shows what moves, for as long as this take is the one on the page. */
  #frame(take: Take, nowMs: number): void {
    if (this.#take !== take) return;
    const state = take.client.getState();
    this.#view.show(state, take.client.at(nowMs), nowMs);
    if (state.phase === 'recording') this.#waveform.show(take.microphone.level, nowMs);
    else this.#waveform.clear();
    if (!isOver(state)) requestAnimationFrame((next) => this.#frame(take, next));
  }

  #changed(state: MeterState): void {
    const live = state.phase === 'recording' || state.phase === 'paused';
    const nowMs = performance.now();
    if (this.#take !== null) this.#view.show(state, this.#take.client.at(nowMs), nowMs);
    this.#offer(live, live || state.phase === 'stopping');
    setText(this.#pause, state.phase === 'paused' ? 'Resume' : 'Pause');
    document.title = live ? `${passed(state.reading?.sessionMs ?? 0)} – Taximeter` : 'Taximeter';
    this.#showSession(state);
    this.#tellWarnings(state);
    const source = state.source?.to ?? null;
    if (source !== null && source !== this.#source) {
      this.#toasts.show('source', sourceSentence(source), source === 'plan' ? 'note' : 'extra');
    }
    this.#source = source;
    this.#tellExpiry(state);
    if (state.refusal !== null) {
      this.#notice.show('stop', 'Recording was refused', state.refusal.detail);
      this.#notice.offer(state.refusal.actions, (action) => this.#extra.buy('asked', action));
    } else if (state.stop !== null) {
      const [title, text] = stopSentence(state.stop.reason, state.stop.detail);
      this.#notice.show('stop', title, `${text} ${SAVE_SENTENCES[state.save]}`);
      this.#notice.offer(state.stop.actions, (action) => this.#extra.buy('limit', action));
    }
    const isSettled = state.save === 'saved' || state.save === 'failed';
    if (isSettled || (isOver(state) && state.save === 'none')) void this.#over();
  }

  /** The buttons that make sense now. Whoever uses the keyboard is not left on one that went. */
  #offer(live: boolean, busy: boolean): void {
    const focus = document.activeElement;
    this.#record.hidden = busy;
    this.#pause.hidden = !live;
    this.#stop.hidden = !live;
    if (focus === this.#record && live) this.#pause.focus();
    if ((focus === this.#pause || focus === this.#stop) && !busy) this.#record.focus();
  }

  #tellWarnings(state: MeterState): void {
    const untold = state.warnings.filter(({ id }) => !this.#told.has(id));
    for (const { id } of untold) this.#told.add(id);
    for (const { id, scope, threshold, actions } of worthTelling(untold)) {
      const close = !('percent' in threshold) || threshold.percent >= 90;
      const buy = actions.find(({ type }) => type === 'buyExtraMinutes');
      const press = () => this.#extra.buy('warning', buy);
      const action = buy === undefined ? undefined : { label: 'Buy minutes', press };
      const level = close ? 'close' : 'near';
      this.#toasts.show(id, warningSentence(scope, threshold), level, { action });
    }
    for (const id of this.#told) {
      if (state.warnings.some((warning) => warning.id === id)) continue;
      this.#told.delete(id);
      this.#toasts.withdraw(id);
    }
  }

  #tellExpiry({ expiry }: MeterState): void {
    if (expiry === null || expiry.id === this.#expiry) return;
    this.#expiry = expiry.id;
    const level = expiry.notice === 'day' ? 'near' : 'close';
    this.#toasts.show('expiry', expirySentence(expiry), level);
  }

  #showSession(state: MeterState): void {
    const line = element('session-line');
    line.hidden = state.connection.is === 'none';
    if (state.session === null || line.dataset.session === state.session) return;
    line.dataset.session = state.session;
    const link = document.createElement('a');
    link.href = `/?${new URLSearchParams({ user: this.#user, session: state.session })}`;
    link.target = '_blank';
    link.textContent = 'take it over in another window';
    line.replaceChildren(`Session ${state.session} · `, link);
  }

  async #over(): Promise<void> {
    this.#waveform.clear();
    const writer = this.#take?.writer ?? null;
    const unstored = writer === null || writer.isStored ? null : writer;
    await this.#list.show(unstored);
    void this.#extra.show();
  }

  #togglePause(): void {
    if (this.#take?.client.getState().phase === 'paused') this.#take.resume();
    else this.#take?.pause();
  }

  async #giveMinutes(): Promise<void> {
    try {
      await giveExtraMinutes(EXTRA_MINUTES);
      void this.#showBudget();
      void this.#extra.show();
      this.#toasts.show('given', `${EXTRA_MINUTES} extra minutes were added.`, 'extra');
    } catch (error) {
      this.#toasts.show('given', error instanceof Error ? error.message : String(error), 'close');
    }
  }

  /** Ends the session of before the reload without recording anything more. */
  async #endKept(): Promise<void> {
    this.#notice.hide();
    const getTicket = () => fetchTicket(this.#user);
    const client = new MeterClient({ urls: [location.origin], getTicket, store: this.#store });
    client.pause();
    await client.start();
    await client.stop();
    this.#toasts.show('ended', 'The session of before the reload was ended.', 'note');
  }
}

try {
  const asked = new URLSearchParams(location.search);
  const page = new RecorderPage(await fetchConfig(), await Recordings.open(), asked);
  await page.open(asked.get('auto') === '1');
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  new Notice().show('stop', 'This page cannot begin', text);
}
