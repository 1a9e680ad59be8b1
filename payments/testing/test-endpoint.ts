/** An endpoint for webhooks that verifies as the product must, and keeps what it was sent. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Stripe from 'stripe';

export interface TestEndpoint {
  url: string;
  /** Verified, in order of arrival. */
  events: Stripe.Event[];
  /** What is answered from now on: 200. */
  status: number;
  stop(): Promise<void>;
}

/** @param secret the one secret it knows */
export async function startEndpoint(secret: string): Promise<TestEndpoint> {
  const stripe = new Stripe('sk_test_unused');
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    if (endpoint.status !== 200) {
      response.writeHead(endpoint.status).end();
      return;
    }
    try {
      const signature = request.headers['stripe-signature'] ?? '';
      const event = stripe.webhooks.constructEvent(Buffer.concat(parts), signature, secret);
      endpoint.events.push(event);
      response.end('ok');
    } catch (error) {
      response.writeHead(400).end(String(error));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint: TestEndpoint = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/stripe`,
    events: [],
    status: 200,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  return endpoint;
}
