/** Tickets for the crowd, asked of the gateway's API like a backend would, over kept connections. */
import { Agent, request } from 'node:http';
import type { SessionName } from './dialect.ts';

const CONNECTIONS = 32;

export interface TicketSource {
  ticket(name: SessionName): Promise<string>;
  close(): void;
}

export function openTicketSource(port: number, apiKey: string): TicketSource {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
  return {
    ticket: (name) =>
      new Promise((resolve, reject) => {
        const asked = request(
          { agent, port, host: '127.0.0.1', method: 'POST', path: '/v1/tickets', headers },
          (response) => {
            let text = '';
            response.setEncoding('utf8');
            response.on('data', (part: string) => {
              text += part;
            });
            response.on('end', () => {
              if (response.statusCode === 201) resolve((JSON.parse(text) as Minted).ticket);
              else reject(new Error(`A ticket was answered ${response.statusCode}: ${text}`));
            });
          },
        );
        asked.on('error', reject);
        asked.end(JSON.stringify(name));
      }),
    close: () => agent.destroy(),
  };
}

interface Minted {
  ticket: string;
}
