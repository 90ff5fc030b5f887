import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { servePages } from './server.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-background-timer-throttling', '--disable-renderer-backgrounding',
];
const LONGEST_MS = 10 * 60_000;

/** `CHROMIUM`, or the first one on the PATH; null if there is none. */
export function findChromium(): string | null {
  if (process.env['CHROMIUM']) return process.env['CHROMIUM'];
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path)) ?? null;
}

export interface PageFigures {
  readonly agent: string;
  readonly memory_bytes: number;
  /** Peak resident bytes of the page's process (Linux; else 0). */
  readonly peak_rss_bytes: number;
  /** Tokens per second of each speed test. */
  readonly rates?: readonly number[];
  readonly load_ms?: number;
  readonly first_token_ms?: number;
  /** Those that ran. */
  readonly threads?: number;
  /** SHA-256 of logits. */
  readonly digest?: string;
}

/** `VmHWM` of the largest renderer whose command line names the profile's browser, by parent process. */
function rendererPeak(browser: number): number {
  if (!existsSync('/proc')) return 0;
  const read = (file: string): string => {
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return ''; // the process has gone
    }
  };
  const status = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).map((pid) => ({ pid: Number(pid), text: read(`/proc/${pid}/status`) }));
  const field = (text: string, name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  const family = new Set([browser]);
  for (let size = 0; size !== family.size; ) {
    size = family.size;
    for (const { pid, text } of status) if (family.has(field(text, 'PPid'))) family.add(pid);
  }
  const renderers = status.filter(({ pid }) => family.has(pid) && read(`/proc/${pid}/cmdline`).includes('--type=renderer'));
  return Math.max(0, ...renderers.map(({ text }) => field(text, 'VmHWM') * 1024));
}

/** Runs bench/browser/page.html in a fresh headless browser with a fresh profile. */
export async function inChromium(query: Readonly<Record<string, number | string>>): Promise<PageFigures> {
  const browser = findChromium();
  if (browser === null) throw new Error('Cannot find Chromium: it is not on the PATH, CHROMIUM can name it');
  const server = await servePages();
  const profile = mkdtempSync(join(tmpdir(), 'tetrad-bench-'));
  const search = Object.entries(query).map(([name, value]) => `${name}=${value}`).join('&');
  const child = spawn(browser, [...FLAGS, `--user-data-dir=${profile}`, `${server.origin}/bench/browser/page.html?${search}`], { stdio: 'ignore' });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = (): boolean => child.kill();
  process.once('exit', kill); // whatever ends this process ends the browser
  let timer: NodeJS.Timeout | undefined;
  try {
    const ended = exited.then(() => Promise.reject(new Error('Chromium ended before the page was done')));
    const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error('The page took more than 10 minutes')), LONGEST_MS)));
    const { error, ...figures } = JSON.parse(await Promise.race([server.result, ended, late])) as PageFigures & { error?: string };
    if (error !== undefined) throw new Error(`The page failed: ${error}`);
    return { ...figures, peak_rss_bytes: rendererPeak(child.pid!) };
  } finally {
    clearTimeout(timer);
    kill();
    process.off('exit', kill);
    await exited;
    server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
