import type { Transport, TransportName, TransportOptions } from './transport.ts';
import { startUws } from './uws.ts';
import { startWs } from './ws.ts';

/** Listens once it resolves. @throws where the port can't be had, or the transport not be loaded */
export function startTransport(name: TransportName, options: TransportOptions): Promise<Transport> {
  switch (name) {
    case 'ws':
      return startWs(options);
    case 'uws':
      return startUws(options);
  }
}
