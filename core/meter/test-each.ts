/** Runs a page of rules on the model and on Redis: whoever breaks one of them breaks it here. */
import { afterAll, beforeAll, describe, inject } from 'vitest';
import type { Subject } from './test-subject.ts';
import { modelSubject, redisSubject } from './test-subject.ts';
import type { World } from './test-world.ts';
import { beginWorld } from './test-world.ts';

export type Begin = () => Promise<World>;

export function onModelAndRedis(title: string, define: (begin: Begin) => void): void {
  describe.each(['the model', 'Redis'])(`${title}, on %s`, (kind) => {
    let subject: Subject;
    beforeAll(async () => {
      subject =
        kind === 'the model' ? await modelSubject() : await redisSubject(inject('redisUrl'));
    });
    afterAll(() => subject.stop());
    define(() => beginWorld(subject));
  });
}
