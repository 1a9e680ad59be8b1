/** Whom an address is counted as: whoever has one of IPv6 has 2^64 of them. */
import { isIP } from 'node:net';

const GROUPS = 8;
const NETWORK_GROUPS = 4;

/** `203.0.113.7`, mapped into IPv6 or not, as itself; `2001:db8:0:1:…` as `2001:db8:0:1::/64`. */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (isIP(plain) !== 6) return plain;
  const [head = '', tail = ''] = plain.split('::');
  const [front, back] = [head, tail].map((part) => part.split(':').filter(Boolean));
  const zeros = GROUPS - front!.length - back!.length;
  const groups = [...front!, ...Array<string>(Math.max(0, zeros)).fill('0'), ...back!];
  const network = groups.slice(0, NETWORK_GROUPS).map((it) => Number.parseInt(it, 16).toString(16));
  return `${network.join(':')}::/64`;
}
