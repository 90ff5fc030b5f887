import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { inChromium } from '../browser/chromium.ts';
import type { Figures } from './contests.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

async function node(script: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(process.execPath, [`${root}${script}`, ...args], { cwd: root, maxBuffer: 1 << 26 });
  process.stderr.write(stderr.replaceAll(/^tetrad: .*\n/gm, ''));
  return stdout;
}

/** `tetrad bench` in a fresh process, one repetition: prefill and decode, zeros left out. */
export async function oursInNode(threads: number, prompt: number, gen: number, depth = 0): Promise<Figures> {
  const flags = ['-p', prompt, '-n', gen, '-d', depth, '-t', threads, '-r', 1, '-o', 'json'].map(String);
  const rows = JSON.parse(await node('dist/surfaces/cli/main.js', ['bench', ...flags])) as { n_prompt: number; n_threads: number; avg_ts: number }[];
  return Object.fromEntries([['threads', rows[0]!.n_threads], ...rows.map((row) => [row.n_prompt > 0 ? 'prefill' : 'decode', row.avg_ts])]) as Figures;
}

/** Tokens per second of `sequences` together, each with `gen` tokens after a prompt of its own: what `llama-batched-bench` counts. */
export async function oursTogether(threads: number, sequences: number, prompt: number, gen: number): Promise<Figures> {
  const flags = Object.entries({ threads, counts: sequences, depth: prompt, steps: gen, rounds: 1 }).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const result = JSON.parse(await node('bench/batch.bench.ts', [...flags, '--json'])) as { threads: number; rows: { tokensPerSecond: number }[] };
  return { threads: result.threads, batch: result.rows[0]!.tokensPerSecond };
}

export async function oursColdInNode(threads: number): Promise<Figures> {
  const result = JSON.parse(await node('scripts/coldstart.mjs', ['--json', '--runs', '1', '--threads', String(threads)])) as Record<string, number[]>;
  return { first: result['first_token_ms']![0]!, memory: result['peak_rss_bytes']![0]! };
}

export async function oursInChromium(threads: number, prompt: number, gen: number): Promise<Figures> {
  const { rates, threads: ran } = await inChromium({ threads, prompt, gen });
  return { prefill: rates![0]!, decode: rates![1]!, threads: ran! };
}

export async function oursColdInChromium(threads: number): Promise<Figures> {
  const { first_token_ms, peak_rss_bytes } = await inChromium({ threads, cold: 1 });
  return { first: first_token_ms!, memory: peak_rss_bytes };
}
