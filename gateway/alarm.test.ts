import { expect, it } from 'vitest';
import { createAlarm } from './alarm.ts';

function stage() {
  const lines: string[] = [];
  let now = 0;
  const error = (fields: { org: string }, text: string) =>
    void lines.push(`${fields.org}: ${text}`);
  const alarm = createAlarm({ log: { error } as never, monotonicMs: () => now });
  const say = (org: string, sentence = 'trouble') => alarm(org, { org }, sentence);
  const pass = (ms: number) => {
    now += ms;
  };
  return { lines, say, pass };
}

it('is raised once, however many report it, and again while it lasts', () => {
  const { lines, say, pass } = stage();
  for (let i = 0; i < 100; i++) say('acme');
  expect(lines).toEqual(['acme: trouble']);
  pass(59_999);
  say('acme');
  expect(lines).toHaveLength(1);
  pass(1);
  say('acme');
  expect(lines).toHaveLength(2);
});

it('of one does not hide that of another', () => {
  const { lines, say } = stage();
  say('acme');
  say('globex');
  say('acme', 'other trouble');
  expect(lines).toEqual(['acme: trouble', 'globex: trouble', 'acme: other trouble']);
});

it('remembers so much and no more', () => {
  const { lines, say } = stage();
  for (let i = 0; i <= 1_000; i++) say(`org-${i}`);
  say('org-1');
  expect(lines).toHaveLength(1_001);
  say('org-0');
  expect(lines).toHaveLength(1_002);
});
