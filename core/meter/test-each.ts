/** Runs a page of rules on the model, on Redis and on a cluster of it: whoever breaks one of them breaks it here. */
import { afterAll, beforeAll, describe, inject } from 'vitest';
import type { Subject } from './test-subject.ts';
import { modelSubject, redisSubject } from './test-subject.ts';
import type { World } from './test-world.ts';
import { beginWorld } from './test-world.ts';

export type Begin = () => Promise<World>;

export function onModelAndRedis(title: string, define: (begin: Begin) => void): void {
  describe.each(['the model', 'Redis', 'a cluster'])(`${title}, on %s`, (kind) => {
    let subject: Subject;
    beforeAll(async () => {
      const url = inject(kind === 'a cluster' ? 'clusterUrl' : 'redisUrl');
      subject = kind === 'the model' ? await modelSubject() : await redisSubject(url);
    });
    afterAll(() => subject.stop());
    define(() => beginWorld(subject));
  });
}
