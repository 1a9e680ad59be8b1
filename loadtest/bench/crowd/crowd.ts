/** The parent's hold on the process that makes the load. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CrowdAnswer, CrowdCount, CrowdTask } from './crowd-words.ts';

type Task<Do extends CrowdTask['do']> = Omit<Extract<CrowdTask, { do: Do }>, 'do'>;

export interface Crowd {
  readonly pid: number;
  open(task: Task<'open'>): Promise<void>;
  drive(task: Task<'drive'>): Promise<void>;
  count(target: string): Promise<CrowdCount>;
  probe(task: Task<'probe'>): Promise<number[]>;
  state(task: Task<'state'>): Promise<void>;
  close(target: string): Promise<void>;
  stop(): Promise<void>;
}

export function startCrowd(): Crowd {
  const built = import.meta.url.endsWith('.js');
  const file = fileURLToPath(new URL(`./crowd-main.${built ? 'js' : 'ts'}`, import.meta.url));
  const execArgv = built ? [] : ['--import', 'tsx'];
  const child = fork(file, { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const waiting = new Map<number, (answer: CrowdAnswer) => void>();
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let id = 0;
  child.on('message', (answer: CrowdAnswer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  void exited.then(() => {
    for (const [id, answered] of waiting) answered({ id, error: 'The crowd has ended early.' });
  });

  async function ask(task: CrowdTask): Promise<unknown> {
    id += 1;
    const order = { id, task };
    const answer = await new Promise<CrowdAnswer>((resolve) => {
      waiting.set(order.id, resolve);
      child.send(order);
    });
    if ('error' in answer) throw new Error(answer.error);
    return answer.result;
  }

  return {
    pid: child.pid!,
    open: async (task) => void (await ask({ do: 'open', ...task })),
    drive: async (task) => void (await ask({ do: 'drive', ...task })),
    count: async (target) => (await ask({ do: 'count', target })) as CrowdCount,
    probe: async (task) => (await ask({ do: 'probe', ...task })) as number[],
    state: async (task) => void (await ask({ do: 'state', ...task })),
    close: async (target) => void (await ask({ do: 'close', target })),
    async stop() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
