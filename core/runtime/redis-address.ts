/** What REDIS_URL says: one server, or several of a cluster with commas between them. */

/** A cluster of which only one address is known is written with a comma behind it. */
export function namesCluster(url: string): boolean {
  return url.includes(',');
}

export function addressesOf(url: string): string[] {
  return url
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '');
}

/** For sentences to a person: without name and password. */
export function placesOf(url: string): string {
  return addressesOf(url)
    .map((address) => new URL(address))
    .map(({ hostname, port }) => `${hostname}:${port || 6379}`)
    .join(', ');
}

/** The address of another server of the same cluster: same scheme, name and password. */
export function addressBeside(known: string, host: string, port: number): string {
  const address = new URL(known);
  address.hostname = host.includes(':') ? `[${host}]` : host;
  address.port = String(port);
  return address.href;
}
