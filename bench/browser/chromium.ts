import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { openPage } from './open-page.ts';

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
}

/** `VmHWM` of the largest renderer whose command line names the profile's browser, by parent process. */
export function rendererPeak(browser: number): number {
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
  const search = Object.entries(query).map(([name, value]) => `${name}=${value}`).join('&');
  const { posted, seen } = await openPage('chromium', `bench/browser/page.html?${search}`, {}, rendererPeak);
  return { ...(posted as PageFigures), peak_rss_bytes: seen };
}
