import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's own folder: the nearest one above this file, source or build, with a lock file. */
export function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package-lock.json'))) {
    const above = dirname(folder);
    if (above === folder) {
      throw new Error(
        `No package-lock.json above ${fileURLToPath(import.meta.url)}: ` +
          'the local servers run from a clone of the project.',
      );
    }
    folder = above;
  }
  return folder;
}

/** Where local servers, their data and logs live unless told otherwise. Ignored by git. */
export function localFolder(): string {
  return join(projectRoot(), '.taximeter');
}

/** Programs fetched for this machine. Apart from the data, whose folders have the same names. */
export function toolsFolder(): string {
  return join(localFolder(), 'tools');
}
