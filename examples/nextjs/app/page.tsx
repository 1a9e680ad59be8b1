'use client';
import { type SubmitEvent, useState } from 'react';
import { call } from './call.ts';
import { Recorder } from './recorder.tsx';

export default function Page() {
  const [isIn, setIsIn] = useState(false);
  const [notice, setNotice] = useState('');

  async function signUp(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = Object.fromEntries(new FormData(event.currentTarget));
    await call('sign-up', form).then(
      () => setIsIn(true),
      (error: Error) => setNotice(error.message),
    );
  }
  return (
    <main>
      <h1>Minutes</h1>
      {isIn ? (
        <Recorder />
      ) : (
        <form onSubmit={signUp}>
          <input name="org" defaultValue="acme" aria-label="Team" required />{' '}
          <input name="user" defaultValue="ann" aria-label="You" required />{' '}
          <button type="submit">Sign up</button>
        </form>
      )}
      <p role="status">{notice}</p>
    </main>
  );
}
