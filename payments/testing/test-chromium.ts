/** Where a Chromium is; `CHROMIUM` names another than the usual places. Says it where there is none. */
import { existsSync } from 'node:fs';

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

export function findBrowser(): string | null {
  const found = process.env.CHROMIUM ?? PLACES.find((place) => existsSync(place)) ?? null;
  if (found === null) {
    console.warn(
      'BROWSER TESTS ARE SKIPPED: no Chromium was found. Install it (apt-get install chromium), ' +
        'or set CHROMIUM to its path.',
    );
  }
  return found;
}
