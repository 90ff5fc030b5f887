import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Quality, Speed } from './result.ts';
import { GEN, PROMPT, REPETITIONS } from './speed.ts';
import type { Text } from './quality.ts';

/*
 * llama.cpp's programs as ../shared/peers/setup.sh builds them. llama-perplexity cuts the text into the same windows, without bos where the model has none,
 * and scores predictions from the middle of each window on; its base is the same checkpoint as f32 with an f32 cache, in the same program.
 */

const run = promisify(execFile);

type Cache = 'f16' | 'f32';

/** The programs of one build, and a folder for what they make. */
export interface Llama {
  readonly programs: string;
  readonly folder: string;
  readonly threads: number;
}

/** Why there are no programs in a folder, or null. */
export function missingPrograms(home: string | undefined): string | null {
  if (home === undefined) return '--peers must name the folder in which ../shared/peers/setup.sh built llama.cpp';
  const missing = ['llama-quantize', 'llama-perplexity', 'llama-bench'].find((name) => !existsSync(join(home, 'build', 'llama', 'bin', name)));
  return missing === undefined ? null : `there is no build/llama/bin/${missing} in ${home}`;
}

const output = async (llama: Llama, program: string, args: readonly string[]): Promise<string> => {
  const { stdout, stderr } = await run(join(llama.programs, program), args, { maxBuffer: 1 << 28 });
  return stdout + stderr;
};

/** Makes a file under another name first, so that what an interrupted run left never counts. */
async function made(path: string, make: (partial: string) => Promise<unknown>): Promise<string> {
  if (existsSync(path)) return path;
  await make(`${path}.partial`);
  renameSync(`${path}.partial`, path);
  return path;
}

/** The checkpoint in another type. */
export function ggufAs(llama: Llama, source: string, type: string): Promise<string> {
  mkdirSync(llama.folder, { recursive: true });
  return made(join(llama.folder, `${type}.gguf`), (partial) => output(llama, 'llama-quantize', ['--allow-requantize', source, partial, type]));
}

const cacheFlags = (cache: Cache): string[] => ['-fa', cache === 'f32' ? 'off' : 'on', '-ctk', cache, '-ctv', cache];
const windowFlags = ({ windows, context }: Text): string[] => ['-c', String(context), '-b', String(context), '--chunks', String(windows.length)];

function figure(text: string, name: string): number {
  const found = new RegExp(`^${name}\\s*:\\s+(-?[\\d.]+)(?: ± +([\\d.]+))?`, 'm').exec(text);
  if (!found) throw new Error(`llama-perplexity printed no "${name}"`);
  return Number(found[1]);
}

/** What llama-perplexity prints at the end of a comparison. */
export function parseFigures(text: string): Quality {
  const ratio = /^Mean PPL\(Q\)\/PPL\(base\)\s*:\s+[\d.]+ ± +([\d.]+)/m.exec(text);
  return {
    perplexity: figure(text, 'Mean PPL\\(Q\\)'), ratio: figure(text, 'Mean PPL\\(Q\\)/PPL\\(base\\)'), ratioError: Number(ratio?.[1] ?? 0),
    meanKl: figure(text, 'Mean    KLD'), kl999: figure(text, '99\\.9%   KLD'), sameTop: figure(text, 'Same top p') / 100, rmsChange: figure(text, 'RMS Δp') / 100,
  };
}

export async function llamaQuality(llama: Llama, source: string, model: string, text: Text): Promise<Quality> {
  const threads = ['-t', String(llama.threads)];
  const exact = await ggufAs(llama, source, 'F32');
  const base = await made(join(llama.folder, `${text.digest.slice(0, 16)}.base`), (partial) =>
    output(llama, 'llama-perplexity', ['-m', exact, '-f', text.file, ...windowFlags(text), ...threads, ...cacheFlags('f32'), '--kl-divergence-base', partial]));
  const compare = ['-m', model, ...windowFlags(text), ...threads, ...cacheFlags('f16'), '--kl-divergence-base', base, '--kl-divergence'];
  return parseFigures(await output(llama, 'llama-perplexity', compare));
}

/** Speeds of the native program on one thread. */
export async function llamaSpeed(llama: Llama, model: string): Promise<Speed> {
  const sizes = ['-t', '1', '-p', String(PROMPT), '-n', String(GEN), '-r', String(REPETITIONS)];
  const { stdout } = await run(join(llama.programs, 'llama-bench'), ['-m', model, ...sizes, ...cacheFlags('f16'), '-o', 'json']);
  const rows = JSON.parse(stdout) as { n_prompt: number; samples_ts: number[] }[];
  const samples = (prompt: number): number[] => rows.find(({ n_prompt }) => n_prompt === prompt)!.samples_ts;
  return { path: 'native', prefill: samples(PROMPT), decode: samples(0) };
}
