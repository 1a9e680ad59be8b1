/** A Node process's own collector and figures, by its inspector: garbage is not memory a session. */
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';

export interface Inspector {
  /** Collects garbage, whole, and gives V8 time to hand pages back. */
  collect(): Promise<void>;
  /** resident memory of the process */
  residentBytes(): Promise<number>;
  /** what JavaScript holds, buffers included */
  heapBytes(): Promise<number>;
  /** How many names all its objects inherit that no object should: 0 unless a prototype was written to. */
  pollutedNames(): Promise<number>;
  /** CPU samples from now on, until `stopProfile` gives them. */
  startProfile(everyUs: number): Promise<void>;
  stopProfile(): Promise<CpuProfile>;
  stop(): Promise<void>;
}

/** As Chrome's developer tools read it. */
export interface CpuProfile {
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
    children?: number[];
  }[];
  samples: number[];
  timeDeltas: number[];
}

const COLLECTIONS = 3;
const BETWEEN_MS = 300;

/** `port`: as in `--inspect=127.0.0.1:port`. */
export async function openInspector(port: number): Promise<Inspector> {
  const response = await fetch(`http://127.0.0.1:${port}/json/list`);
  const [target] = (await response.json()) as { webSocketDebuggerUrl: string }[];
  if (!target) throw new Error(`The process at ${port} has nothing to inspect.`);
  const socket = new WebSocket(target.webSocketDebuggerUrl, { perMessageDeflate: false });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const waiting = new Map<number, (answer: Answer) => void>();
  socket.on('message', (data) => {
    const answer = JSON.parse(data.toString()) as Answer;
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  let id = 0;

  async function ask(method: string, params: object = {}): Promise<object> {
    id += 1;
    const own = id;
    const answer = await new Promise<Answer>((resolve) => {
      waiting.set(own, resolve);
      socket.send(JSON.stringify({ id: own, method, params }));
    });
    if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result ?? {};
  }

  async function numberOf(expression: string): Promise<number> {
    const { result } = (await ask('Runtime.evaluate', { expression, returnByValue: true })) as {
      result: { value: number };
    };
    return result.value;
  }

  return {
    async collect() {
      await ask('HeapProfiler.enable');
      for (let i = 0; i < COLLECTIONS; i += 1) {
        await ask('HeapProfiler.collectGarbage');
        await sleep(BETWEEN_MS);
      }
      await ask('HeapProfiler.disable');
    },
    residentBytes: () => numberOf('process.memoryUsage.rss()'),
    pollutedNames: () => numberOf('Object.keys(Object.prototype).length'),
    heapBytes: () =>
      numberOf('(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())'),
    async startProfile(everyUs) {
      await ask('Profiler.enable');
      await ask('Profiler.setSamplingInterval', { interval: everyUs });
      await ask('Profiler.start');
    },
    async stopProfile() {
      return ((await ask('Profiler.stop')) as { profile: CpuProfile }).profile;
    },
    async stop() {
      socket.terminate();
    },
  };
}

interface Answer {
  id: number;
  result?: object;
  error?: { message: string };
}
