import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const shared = process.env['TETRAD_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url));
/** The harness's scripts, and where its setup.sh put what it made. */
const scripts = resolve(shared, 'peers');
const home = resolve(process.env['PEERS_HOME'] ?? scripts);
const source = process.env['MODEL'];

export interface HarnessOptions {
  readonly peer: 'llama.cpp' | 'wllama' | 'transformers.js';
  readonly model: string;
  readonly threads: number;
  readonly prompt: number;
  readonly gen: number;
  readonly depth?: number;
  /** Type of cached keys and values. */
  readonly cache?: 'f16' | 'q4_0';
  /** Also load afresh, for time and memory. */
  readonly session?: boolean;
}

/** What is used of a row of the harness (its README). */
export interface HarnessRow {
  readonly n_prompt: number;
  readonly n_gen: number;
  readonly median_ts: number;
  readonly load_ms?: number;
  readonly load_cached_ms?: number;
  readonly ttft32_cold_ms?: number;
  readonly peak_rss_bytes?: number;
  readonly foreign_cpu_percent: number;
  readonly steal_cpu_percent: number;
}

/** Why peers can't be run, or null. */
export function missingHarness(): string | null {
  if (!existsSync(join(scripts, 'run.mjs'))) return `there is no ${join(scripts, 'run.mjs')}: TETRAD_SHARED names the folder that holds peers/`;
  if (!existsSync(join(home, 'build', 'llama.version'))) return `there is no build in ${home}: PEERS_HOME names what the harness's setup.sh made`;
  return source !== undefined && existsSync(source) ? null : 'MODEL must name the GGUF file in Q4_1';
}

/** The model in another GGUF type, made by setup.sh. */
export const modelAs = (type: string): string => (type === 'Q4_1' ? source! : join(home, 'build', 'models', basename(source!).replace('Q4_1', type)));

async function output(command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(command, args, { maxBuffer: 1 << 26, env: { ...process.env, PEERS_HOME: home } });
  return stdout;
}

/** One run of the harness with one repetition; loading is no part of its speeds. */
export async function measurePeer({ peer, model, threads, prompt, gen, depth = 0, cache = 'f16', session = false }: HarnessOptions): Promise<HarnessRow[]> {
  const flags = { peer, model, threads, pp: prompt, tg: gen, depth, ctk: cache, ctv: cache, fa: cache === 'f16' ? 'auto' : 'on', reps: 1 };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const node = join(home, 'node_modules', '.bin', 'node');
  return JSON.parse(await output(existsSync(node) ? node : process.execPath, [join(scripts, 'run.mjs'), ...args, ...(session ? [] : ['--no-session'])])) as HarnessRow[];
}

/** Tokens per second of llama.cpp over `sequences` at once, from its own program for that. */
export async function measureBatch(model: string, sequences: number, prompt: number, gen: number, threads: number): Promise<number> {
  const sizes = { c: sequences * (prompt + gen), npp: prompt, ntg: gen, npl: sequences, t: threads, tb: threads };
  const args = Object.entries(sizes).flatMap(([name, value]) => [`-${name}`, String(value)]);
  const text = await output(join(home, 'build', 'llama', 'bin', 'llama-batched-bench'), ['-m', model, ...args, '--output-format', 'jsonl']);
  const row = text.split('\n').find((line) => line.startsWith('{'));
  return (JSON.parse(row ?? '{}') as { speed_tg: number }).speed_tg;
}
