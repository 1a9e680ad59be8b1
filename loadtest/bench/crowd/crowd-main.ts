/**
 * The process that makes the load: thousands of raw connections that answer a tick with a beat, told
 * what to do by its parent (crowd.ts). Cheaper a beat than any server here, and it says how busy it is.
 */
import type { CrowdAnswer, CrowdOrder, CrowdTask } from './crowd-words.ts';
import { Group } from './group.ts';
import { openTicketSource } from './ticket-source.ts';

const groups = new Map<string, Group>();

function groupOf(target: string): Group {
  const group = groups.get(target);
  if (!group) throw new Error(`The crowd has no connections to "${target}".`);
  return group;
}

async function carryOut(task: CrowdTask): Promise<unknown> {
  switch (task.do) {
    case 'open': {
      const isOurs = task.dialect === 'taximeter';
      const tickets = isOurs ? openTicketSource(task.port, task.apiKey) : null;
      const group = new Group(task, tickets);
      groups.set(task.target, group);
      await group.open();
      return tickets?.close();
    }
    case 'drive':
      return groupOf(task.target).drive(task.drive);
    case 'count':
      return groupOf(task.target).count();
    case 'probe':
      return await groupOf(task.target).probe(task);
    case 'state':
      return groupOf(task.target).setPaused(task.isPaused);
    case 'close':
      groupOf(task.target).close();
      return void groups.delete(task.target);
  }
}

process.on('message', async ({ id, task }: CrowdOrder) => {
  let answer: CrowdAnswer;
  try {
    answer = { id, result: (await carryOut(task)) ?? null };
  } catch (error) {
    answer = { id, error: error instanceof Error ? error.message : String(error) };
  }
  process.send?.(answer);
});
process.once('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole group; the parent decides, and its going ends us.
process.on('SIGINT', () => {});
