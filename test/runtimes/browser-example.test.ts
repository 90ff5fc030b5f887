import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { serveSite, type Site } from '../../examples/browser/serve.mjs';
import { findBrowser } from '../../scripts/runtimes.mjs';
import { load } from '../../src/surfaces/adapters/node.ts';
import { having, havingBrowser, root } from './having.ts';

/** What is used of Playwright. */
interface Page {
  goto(url: string): Promise<unknown>;
  reload(): Promise<unknown>;
  close(): Promise<void>;
  on(event: 'pageerror' | 'console', hear: (what: { type?: () => string; text?: () => string; message?: string }) => void): void;
  evaluate<T>(script: string): Promise<T>;
  /** A function, as the policy forbids a string. */
  waitForFunction(script: () => boolean, argument?: unknown, options?: { timeout: number; polling?: number }): Promise<unknown>;
  getByRole(role: string, options: { name: string; exact?: boolean }): { click(): Promise<void>; fill(text: string): Promise<void>; isVisible(): Promise<boolean> };
  readonly keyboard: { press(key: string): Promise<void> };
}
interface Context {
  newPage(): Promise<Page>;
  setOffline(offline: boolean): Promise<void>;
  close(): Promise<void>;
}
interface Chromium {
  launch(options: object): Promise<{ newContext(options?: object): Promise<Context>; close(): Promise<void> }>;
}

const QUESTION = 'What is the capital of France? Answer in one sentence.';
const playwright = havingBrowser('chromium') ? await having('playwright') : null;
const axe = await having('axe');

describe.skipIf(playwright === null)('examples/browser in Chromium', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tetrad-site-'));
  let browser: Awaited<ReturnType<Chromium['launch']>>;
  let context: Context;
  let site: Site;
  const faults: string[] = [];

  beforeAll(async () => {
    execFileSync(process.execPath, [join(root, 'examples/browser/build.mjs'), '--no-serve', '--out', folder]);
    const { chromium } = (await import(pathToFileURL(playwright!.binary).href)) as { chromium: Chromium };
    browser = await chromium.launch({ executablePath: findBrowser('chromium'), args: ['--no-sandbox'] });
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    await context.close();
    await site.close();
    faults.length = 0;
  });

  /** A page of a fresh profile. What it logs as an error, such as a breach of the security policy, is a fault. */
  async function open(options: { isolated?: boolean; contextOptions?: object } = {}): Promise<Page> {
    site = await serveSite(folder, { isolated: options.isolated ?? true });
    context = await browser.newContext(options.contextOptions);
    return another();
  }
  async function another(): Promise<Page> {
    const page = await context.newPage();
    page.on('pageerror', ({ message }) => faults.push(message!));
    page.on('console', (line) => line.type!() === 'error' && faults.push(line.text!()));
    await page.goto(`${site.origin}/`);
    return page;
  }
  const text = (page: Page, selector: string): Promise<string> => page.evaluate(`document.querySelector(${JSON.stringify(selector)}).innerText`);
  const ready = (page: Page): Promise<unknown> => page.waitForFunction(() => !document.querySelector<HTMLTextAreaElement>('#prompt')!.disabled, null, { timeout: 60_000, polling: 100 });
  const loaded = async (page: Page): Promise<void> => {
    await page.getByRole('button', { name: 'Load the model' }).click();
    await ready(page);
  };
  const idle = (page: Page): Promise<unknown> => page.waitForFunction(() => document.querySelector('#log')!.getAttribute('aria-busy') === 'false', null, { timeout: 60_000, polling: 100 });
  async function ask(page: Page, question: string): Promise<string> {
    await page.getByRole('textbox', { name: 'Message' }).fill(question);
    await page.keyboard.press('Enter');
    await idle(page);
    return text(page, '.message:last-child p');
  }

  it('answers as the library does elsewhere, under its security policy, and shows what that took', async () => {
    const page = await open();
    await loaded(page);
    const answer = await ask(page, QUESTION);
    const facts = await text(page, '#facts');
    const seed = Number(/Seed\s+(\d+)/.exec(facts)![1]);
    await using model = await load(undefined, { threads: 1 });
    expect(answer).toBe((await model.chat([{ role: 'user', content: QUESTION }], { seed }).result).text);
    for (const fact of [/Kernels\s+(?:simd128|relaxed-i\d+)/, /Reply\s+[\d.]+ tokens\/s/, /Linear memory\s+102\.\d MB/, /Stored in\s+browser files/]) expect(facts).toMatch(fact);
    expect(await page.evaluate('document.querySelectorAll("#note:not([hidden])").length')).toBe(0);
    expect(faults).toEqual([]);
  });

  it('stops by Escape, keeps what was written, and goes on', async () => {
    const page = await open();
    await loaded(page);
    await page.getByRole('textbox', { name: 'Message' }).fill('Write a long story about a lighthouse keeper.');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => (document.querySelector('.message.assistant p')?.textContent ?? '').length > 40, null, { timeout: 60_000, polling: 100 });
    await page.keyboard.press('Escape');
    await idle(page);
    expect(await text(page, '.message:last-child .aside')).toMatch(/^Stopped/);
    expect(await ask(page, 'And in one word?')).not.toBe('');
    expect(faults).toEqual([]);
  });

  it('opens, loads and answers without a network after the first time; forgets the model when told to', async () => {
    const page = await open();
    await loaded(page);
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null, null, { timeout: 30_000 });
    await context.setOffline(true);
    await site.close();
    await page.reload();
    await ready(page); // a stored model needs no button
    expect(await ask(page, QUESTION)).not.toBe('');
    await page.getByRole('button', { name: 'Delete the stored model' }).click();
    await page.waitForFunction(() => document.querySelector('[data-fact=storage]')!.textContent === 'memory only');
    await page.reload();
    expect(await page.getByRole('button', { name: 'Load the model' }).isVisible()).toBe(true);
  });

  it('runs on one thread without isolation, and says so once', async () => {
    const page = await open({ isolated: false });
    await loaded(page);
    expect(await text(page, '#note')).toMatch(/^Running on 1 thread: /);
    expect(await ask(page, QUESTION)).not.toBe('');
    expect(faults).toEqual([]);
  });

  it('loads in two tabs at once', async () => {
    const pages = [await open(), await another()];
    await Promise.all(pages.map(loaded));
    for (const page of pages) expect(await ask(page, QUESTION)).not.toBe('');
  });

  it('says what is wrong with damaged weights, and loads once they are right', async () => {
    const [shard, whole] = [join(folder, 'model', '01.bin'), join(root, 'models/smollm2-135m-instruct/01.bin')];
    const bytes = readFileSync(whole);
    bytes[1000]! ^= 1;
    writeFileSync(shard, bytes);
    const page = await open();
    await page.getByRole('button', { name: 'Load the model' }).click();
    await page.waitForFunction(() => !document.querySelector<HTMLElement>('#alert')!.hidden, null, { timeout: 60_000, polling: 100 });
    expect(await text(page, '#alert')).toMatch(/01\.bin.*SHA-256/);
    copyFileSync(whole, shard);
    await loaded(page);
    expect(await ask(page, QUESTION)).not.toBe('');
  });

  it("fits a phone's width, light and dark, without a rule of axe broken", async ({ skip }) => {
    if (axe === null) skip('axe-core cannot be had');
    for (const colorScheme of ['light', 'dark']) {
      const page = await open({ contextOptions: { viewport: { width: 360, height: 720 }, colorScheme, bypassCSP: true } });
      await loaded(page);
      await ask(page, QUESTION);
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      await page.evaluate(readFileSync(axe!.binary, 'utf8'));
      expect(await page.evaluate('axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`))')).toEqual([]);
      if (colorScheme === 'light') await Promise.all([context.close(), site.close()]);
    }
  });
});
