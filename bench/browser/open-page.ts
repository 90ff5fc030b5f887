import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findBrowser } from '../../scripts/runtimes.mjs';
import { servePages, type ServeOptions } from './server.ts';

export type Browser = 'chromium' | 'firefox';

const CHROMIUM_FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-background-timer-throttling', '--disable-renderer-backgrounding',
];
const FIREFOX_SETTINGS = 'user_pref("browser.shell.checkDefaultBrowser", false);\nuser_pref("datareporting.policy.dataSubmissionEnabled", false);\n';
const LONGEST_MS = 10 * 60_000;

/** How each browser opens an address without a window, with a profile of its own. */
const commands: Readonly<Record<Browser, (profile: string, address: string) => readonly string[]>> = {
  chromium: (profile, address) => [...CHROMIUM_FLAGS, `--user-data-dir=${profile}`, address],
  firefox: (profile, address) => {
    writeFileSync(join(profile, 'user.js'), FIREFOX_SETTINGS);
    return ['--headless', '--no-remote', '--profile', profile, address];
  },
};

/** Opens a page of the project in a fresh headless browser with a fresh profile. Resolves with what the page posts; `look` sees the browser before it ends. */
export async function openPage<T>(name: Browser, path: string, options: ServeOptions = {}, look: (pid: number) => T = () => undefined as T): Promise<{ posted: object; seen: T }> {
  const browser = findBrowser(name);
  if (browser === null) throw new Error(`Cannot find ${name}: it is not on the PATH, ${name.toUpperCase()} can name it`);
  const server = await servePages(options);
  const profile = mkdtempSync(join(tmpdir(), 'tetrad-bench-'));
  const child = spawn(browser, commands[name](profile, `${server.origin}/${path}`), { stdio: 'ignore' });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = (): boolean => child.kill();
  process.once('exit', kill); // whatever ends this process ends the browser
  let timer: NodeJS.Timeout | undefined;
  try {
    const ended = exited.then(() => Promise.reject(new Error(`${name} ended before the page was done`)));
    const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error('The page took more than 10 minutes')), LONGEST_MS)));
    const posted = JSON.parse(await Promise.race([server.result, ended, late])) as { error?: string };
    if (posted.error !== undefined) throw new Error(`The page failed: ${posted.error}`);
    return { posted, seen: look(child.pid!) };
  } finally {
    clearTimeout(timer);
    kill();
    process.off('exit', kill);
    await exited;
    server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
