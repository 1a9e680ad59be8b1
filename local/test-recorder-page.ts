/** What tests of the recorder page share: a product for the file, one browser, a person for each test. */
import type { BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { openBrowser, type TestBrowser } from './test-browser.ts';
import { BUILD_PATIENCE_MS, buildPage } from './test-build.ts';
import { type Heard, listenToMeter } from './test-meter-frames.ts';
import { startTestProduct, type TestProduct, type TestProductOptions } from './test-product.ts';

const PLAN = 'recorder-page';
/** How long the page may take on a busy machine. */
export const PAGE_PATIENCE_MS = 30_000;

export interface RecorderPageOptions {
  /** asked for once, right before the product is started */
  product(): TestProductOptions | Promise<TestProductOptions>;
  /** what the browser complains of, and a test brings about: refusals of a gateway among others */
  expected?: RegExp;
}

/** Its fields are there in tests, those of the page once it was opened. */
export interface RecorderPage {
  product: TestProduct;
  /** the organization that is signed in on the page */
  org: string;
  person: BrowserContext;
  page: Page;
  heard: Heard;
  /** Another person opens it. */
  open(query?: string): Promise<void>;
  /** What the organization has from now on; running recordings too. */
  givePlan(plan: { minutes: number | null; [field: string]: unknown }): Promise<void>;
  inPhase(phase: string, of?: Page): Promise<unknown>;
  /** The list of recordings has one. */
  isSaved(): Promise<unknown>;
  /** to buy extra minutes */
  dialog(): Locator;
}

/** Call it in a `describe`, once. */
export function testRecorderPage(
  executablePath: string | null,
  options: RecorderPageOptions,
): RecorderPage {
  let browser: TestBrowser;
  const it: RecorderPage = {
    product: undefined!,
    org: '',
    person: undefined!,
    page: undefined!,
    heard: undefined!,
    async open(query = '?user=alice') {
      it.person = await browser.person();
      it.page = await it.person.newPage();
      it.page.setDefaultTimeout(PAGE_PATIENCE_MS);
      it.heard = listenToMeter(it.page);
      await it.page.goto(`${it.product.gatewayUrls[0]}/${query}`);
      // Loaded is not begun: a button that is pressed before does nothing.
      await it.page.waitForSelector('#record:enabled');
    },
    async givePlan(plan) {
      const { api } = it.product;
      await api('PUT', `/v1/plans/${PLAN}`, { name: PLAN, ...plan });
      await api('PUT', `/v1/orgs/${it.org}`, { name: it.org, plan: PLAN });
    },
    inPhase: (phase, of = it.page) => of.waitForSelector(`body[data-phase="${phase}"]`),
    isSaved: () => it.page.locator('#recordings li').first().waitFor(),
    dialog: () => it.page.getByRole('dialog', { name: 'Buy extra minutes' }),
  };

  beforeAll(async () => {
    // The gateway serves the page as built.
    await buildPage();
    it.product = await startTestProduct(await options.product());
    browser = await openBrowser(executablePath!);
    const config = await fetch(`${it.product.gatewayUrls[0]}/demo/config`);
    it.org = ((await config.json()) as { org: string }).org;
  }, BUILD_PATIENCE_MS);

  afterAll(async () => {
    await browser?.stop();
    await it.product?.stop();
  });

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await showPages(it.person);
    await it.person?.close();
    const complaints = browser.complaints().filter((text) => !options.expected?.test(text));
    expect(complaints).toEqual([]);
  });

  return it;
}

async function showPages(person: BrowserContext | undefined): Promise<void> {
  for (const each of person?.pages() ?? []) {
    const { phase, connection, save } = await each.evaluate(() => ({ ...document.body.dataset }));
    const words = await each.locator('body').textContent();
    console.error(`${each.url()}: ${phase}, ${connection}, save ${save}\n${words}`);
  }
}
