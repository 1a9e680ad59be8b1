import type { TransportName } from './rfc6455/case.ts';

/** Both, where uWebSockets.js has something for this Node and system; else says so. */
export async function transportsHere(): Promise<TransportName[]> {
  try {
    await import('uWebSockets.js');
    return ['ws', 'uws'];
  } catch (error) {
    console.warn(`NOT TRIED ON uws: ${(error as Error).message}`);
    return ['ws'];
  }
}
