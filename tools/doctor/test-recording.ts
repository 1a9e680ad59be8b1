/** A recorder on a real socket that answers its ticks, and the command as a person runs it. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { type ServerMessage, SUBPROTOCOL } from '../../core/protocol/messages.ts';
import type { TestProduct } from '../../local/test-product.ts';
import type { DoctorReport } from './run.ts';

const PATIENCE_MS = 20_000;
const ROOT = join(import.meta.dirname, '../..');

/** Records for so long of real time, stops, and answers once it has ended. */
export async function record(
  product: TestProduct,
  { org, user, ms }: { org: string; user: string; ms: number },
): Promise<string> {
  const { ticket } = await product.api<{ ticket: string }>('POST', '/v1/tickets', { org, user });
  const socket = new WebSocket(product.gateways[0]!.connectUrl, [SUBPROTOCOL]);
  const send = (message: unknown) => socket.send(JSON.stringify(message));
  let session = '';
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(reject, PATIENCE_MS, new Error(`no end of ${org}`));
    socket.on('error', reject);
    socket.on('open', () => send({ type: 'start', ticket }));
    socket.on('message', (data) => {
      const message = JSON.parse(data.toString()) as ServerMessage;
      if (message.type === 'started') {
        session = message.session;
        setTimeout(send, ms, { type: 'stop' });
      }
      if (message.type === 'tick') send({ type: 'beat', seq: message.seq });
      if (message.type === 'error') reject(new Error(JSON.stringify(message)));
      if (message.type === 'ended') {
        clearTimeout(timer);
        resolve();
      }
    });
  });
  socket.close();
  return session;
}

export interface Told {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** `npm run doctor -- ...args`, without the build before it. */
export function doctor(env: Record<string, string>, ...args: string[]): Promise<Told> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'tools/doctor/main.ts', ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (it) => {
    stdout += it;
  });
  child.stderr.on('data', (it) => {
    stderr += it;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

export const reportOf = (told: Told): DoctorReport => {
  if (told.stdout === '') throw new Error(told.stderr);
  return JSON.parse(told.stdout) as DoctorReport;
};

export const codesOf = ({ examination }: DoctorReport): string[] => [
  ...new Set(examination.findings.map((it) => it.code)),
];
