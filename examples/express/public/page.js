// The page: a microphone, and the client that says what is used, what is left, and when to stop.
import { isLive, MeterClient, storageCheckpointStore } from './taximeter/client/index.js';

const element = (id) => document.getElementById(id);
const notice = (text) => {
  element('notice').textContent = text;
};
const clock = (ms) => {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
};

/** Rejects with the sentence that the backend gave: it says what happened and what to do. */
async function call(path, body) {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body ?? {}),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.detail ?? 'Something went wrong here.');
  return { answer, remaining: response.headers.get('taximeter-remaining') };
}
const told = (run) => async (event) => {
  event?.preventDefault();
  notice('');
  await run(event).catch((error) => notice(error.message));
};

let recorder = null;
let warned = '';
let pieces = [];

const meter = new MeterClient({
  getTicket: async () => (await call('ticket')).answer,
  store: storageCheckpointStore(sessionStorage, 'minutes'),
  // A limit was reached, or an operator stopped it: what was recorded is kept.
  onStop: async ({ reason }) => {
    await keep();
    notice(`Stopped (${reason}). What was recorded is saved.`);
  },
});
meter.subscribe((state) => {
  element('phase').textContent = state.phase;
  element('record').disabled = isLive(state) || state.phase === 'starting';
  element('stop').disabled = !isLive(state);
  // Said once, and not over what is said of the end.
  const warning = state.warnings.at(-1);
  if (!isLive(state) || warning === undefined || warning.id === warned) return;
  warned = warning.id;
  notice(`Not much is left: ${describe(warning.threshold)}.`);
});
const describe = (threshold) =>
  'percent' in threshold ? `${threshold.percent} % used` : `${clock(threshold.remainingMs)} to go`;

function show() {
  const now = meter.at();
  element('time').textContent = clock(now.sessionMs);
  if (isLive(meter.getState())) {
    element('left').textContent = now.remainingMs === null ? '' : `${clock(now.remainingMs)} left`;
  }
  requestAnimationFrame(show);
}

async function record() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const state = await meter.start();
  if (state.phase !== 'recording') {
    for (const track of stream.getTracks()) track.stop();
    throw new Error(state.refusal?.detail ?? `Not recording: ${state.phase}.`);
  }
  pieces = [];
  recorder = new MediaRecorder(stream);
  recorder.ondataavailable = ({ data }) => pieces.push(data);
  recorder.start(1000);
}

/** Resolves when the recording is whole and on the page. */
async function keep() {
  if (recorder === null) return;
  const stopped = new Promise((resolve) => {
    recorder.onstop = resolve;
  });
  recorder.stop();
  await stopped;
  for (const track of recorder.stream.getTracks()) track.stop();
  const audio = new Audio(URL.createObjectURL(new Blob(pieces, { type: recorder.mimeType })));
  audio.controls = true;
  const item = document.createElement('li');
  item.append(audio);
  element('recordings').append(item);
  recorder = null;
}

element('sign-up').onsubmit = told(async ({ target }) => {
  await call('sign-up', Object.fromEntries(new FormData(target)));
  target.hidden = true;
  element('app').hidden = false;
  // The team's limit and one's own: the lower one counts.
  const { ofAll, own } = await (await fetch('usage')).json();
  const lefts = [ofAll, own].map((it) => it.remainingMs ?? Number.POSITIVE_INFINITY);
  const leftMs = Math.min(...lefts);
  element('left').textContent = Number.isFinite(leftMs) ? `${clock(leftMs)} left` : 'Unlimited';
  show();
});
element('record').onclick = told(record);
element('stop').onclick = told(async () => {
  await keep();
  await meter.stop();
  notice('Saved.');
});
element('export').onclick = told(async () => {
  const { answer, remaining } = await call('exports', { meeting: 'today' });
  notice(`${answer.file} is ready, ${remaining} more this month.`);
});
element('upgrade').onclick = told(async () => {
  const { answer } = await call('upgrade');
  notice(`You are on the plan "${answer.plan}" now.`);
});
