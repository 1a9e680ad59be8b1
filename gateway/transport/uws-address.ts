/** Addresses as uWebSockets.js has them, in bytes, as text. */
import { SocketAddress } from 'node:net';

const IPV4_BYTES = 4;
/** ::ffff:0:0/96, IPv4 on a socket that takes both */
const MAPPED_PREFIX = Buffer.from('00000000000000000000ffff', 'hex');

/** `203.0.113.7`, for an IPv4 address that came mapped too, or `2001:db8::7`; empty if it is gone. */
export function addressText(raw: ArrayBuffer): string {
  const bytes = Buffer.from(raw);
  if (bytes.length === 0) return '';
  if (bytes.length === IPV4_BYTES) return bytes.join('.');
  if (bytes.subarray(0, MAPPED_PREFIX.length).equals(MAPPED_PREFIX)) {
    return bytes.subarray(MAPPED_PREFIX.length).join('.');
  }
  const groups = bytes.toString('hex').match(/.{4}/g) ?? [];
  return new SocketAddress({ family: 'ipv6', address: groups.join(':') }).address;
}
