/** A CPU profile as a table of self time: what the process was in, and for how long. */
import type { CpuProfile } from '../stand/inspector.ts';

export interface SelfTime {
  /** waiting for something to do is not in it */
  busyUs: number;
  /** by the file or package that was in, most first; the runtime's own parts by name */
  places: Share[];
  functions: Share[];
}

export interface Share {
  name: string;
  us: number;
}

const IDLE = '(idle)';

type Frame = CpuProfile['nodes'][number]['callFrame'];

/** `gateway/telling.ts`, `ws`, `node:net`; what has no file is of the engine or of C++. */
function placeOf({ url, functionName }: Frame): string {
  if (url === '') return functionName.startsWith('(') ? functionName : `native ${functionName}`;
  if (url.startsWith('node:')) return url;
  const [, inPackages] = url.split(/\/node_modules\/(?!.*\/node_modules\/)/);
  if (inPackages !== undefined) {
    const [first = '', second = ''] = inPackages.split('/');
    return first.startsWith('@') ? `${first}/${second}` : first;
  }
  return url.replace(/^.*\/dist\//, '').replace(/\.js$/, '.ts');
}

function functionOf(frame: Frame): string {
  const place = placeOf(frame);
  if (frame.url === '') return place;
  return `${frame.functionName || '(anonymous)'}  ${place}`;
}

export function selfTimeOf(profile: CpuProfile): SelfTime {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const places = new Map<string, number>();
  const functions = new Map<string, number>();
  let busyUs = 0;
  profile.samples.forEach((id, i) => {
    const frame = frames.get(id)!;
    const us = Math.max(0, profile.timeDeltas[i] ?? 0);
    if (frame.functionName === IDLE) return;
    busyUs += us;
    add(places, placeOf(frame), us);
    add(functions, functionOf(frame), us);
  });
  return { busyUs, places: sorted(places), functions: sorted(functions) };
}

function add(sums: Map<string, number>, name: string, us: number): void {
  sums.set(name, (sums.get(name) ?? 0) + us);
}

function sorted(sums: ReadonlyMap<string, number>): Share[] {
  return [...sums].map(([name, us]) => ({ name, us })).sort((a, b) => b.us - a.us);
}
