/** The browser for tests: Chromium as the system has it, with a microphone that beeps. */
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** Without background networking: what a browser asks of the world by itself is no test of ours. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
];

/** `CHROMIUM` names another than the usual places. Says loudly where there is none. */
export function findChromium(): string | null {
  const given = process.env.CHROMIUM;
  const found = given ?? PLACES.find((place) => existsSync(place)) ?? null;
  if (found === null) {
    console.warn(
      'BROWSER TESTS ARE SKIPPED: no Chromium was found. Install it (apt-get install chromium), ' +
        'or set CHROMIUM to its path.',
    );
  }
  return found;
}

export interface TestBrowser {
  /** A person of their own: storage and permissions are not shared with another. */
  person(): Promise<BrowserContext>;
  /** What the pages complained of since the last call: errors in the console, uncaught ones. */
  complaints(): string[];
  stop(): Promise<void>;
}

export async function openBrowser(executablePath: string): Promise<TestBrowser> {
  const browser: Browser = await chromium.launch({ executablePath, args: FLAGS });
  const heard: string[] = [];
  const listen = (page: Page) => {
    page.on('pageerror', (error) => heard.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') heard.push(message.text());
    });
  };
  return {
    person: async () => {
      const context = await browser.newContext({ permissions: ['microphone'], locale: 'en-GB' });
      context.on('page', listen);
      return context;
    },
    complaints: () => heard.splice(0),
    stop: () => browser.close(),
  };
}
