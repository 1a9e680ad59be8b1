'use client';
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { isLive, MeterClient } from 'taximeter/client';
import { call } from './call.ts';
import { Tape } from './tape.ts';

const clock = (ms: number) =>
  `${Math.floor(ms / 60_000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, '0')}`;

/** A microphone, and the client that says what is used, what is left, and when to stop. */
export function Recorder() {
  const [notice, setNotice] = useState('');
  const [files, setFiles] = useState<string[]>([]);
  const tape = useRef(new Tape());
  const keep = async () => {
    const file = await tape.current.stop();
    if (file !== null) setFiles((all) => [...all, file]);
  };
  const [meter] = useState(
    () =>
      new MeterClient({
        getTicket: async () => (await call('ticket')).answer,
        // A limit was reached, or an operator stopped it: what was recorded is kept.
        onStop: async ({ reason }) => {
          await keep();
          setNotice(`Stopped (${reason}). What was recorded is saved.`);
        },
      }),
  );
  useEffect(() => () => meter.close(), [meter]);
  const state = useSyncExternalStore(
    (changed) => meter.subscribe(changed),
    () => meter.getState(),
    () => meter.getState(),
  );
  const [now, setNow] = useState(() => meter.at());
  useEffect(() => {
    const timer = setInterval(() => setNow(meter.at()), 250);
    return () => clearInterval(timer);
  }, [meter]);

  const told = (run: () => Promise<void>) => () =>
    run().catch((error: Error) => setNotice(error.message));
  const record = told(async () => {
    setNotice('');
    await tape.current.open();
    const { phase, refusal } = await meter.start();
    if (phase === 'recording') return tape.current.start();
    await tape.current.stop();
    setNotice(refusal?.detail ?? `Not recording: ${phase}.`);
  });
  const stop = told(async () => {
    await keep();
    await meter.stop();
    setNotice('Saved.');
  });
  const exportOne = told(async () => {
    const { answer, remaining } = await call('exports', { meeting: 'today' });
    setNotice(`${answer.file} is ready, ${remaining} more this month.`);
  });
  const upgrade = told(async () => {
    const { answer } = await call('upgrade');
    setNotice(`You are on the plan "${answer.plan}" now.`);
  });
  return (
    <section>
      <p>
        <strong id="phase">{state.phase}</strong> {clock(now.sessionMs)}
        {state.reading && now.remainingMs !== null && `, ${clock(now.remainingMs)} left`}
      </p>
      <p role="status">{notice}</p>
      <button type="button" id="record" onClick={record} disabled={isLive(state)}>
        Record
      </button>{' '}
      <button type="button" id="stop" onClick={stop} disabled={!isLive(state)}>
        Stop
      </button>{' '}
      <button type="button" id="export" onClick={exportOne}>
        Export
      </button>{' '}
      <button type="button" id="upgrade" onClick={upgrade}>
        Upgrade
      </button>
      {files.map((file) => (
        // biome-ignore lint/a11y/useMediaCaption: what was just said has no captions
        <audio key={file} src={file} controls />
      ))}
    </section>
  );
}
