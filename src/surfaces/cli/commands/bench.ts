import { cpus } from 'node:os';
import { basename } from 'node:path';
import { buildCommand } from '@stricli/core';
import { Profiler } from '../../../backends/profile.ts';
import { PAGE } from '../../../formats/descriptor.ts';
import type { Decoder } from '../../../runtime/decoder.ts';
import { MOST_THREADS } from '../../../runtime/team.ts';
import { benchTests, contextNeeded, runBench, type BenchTest } from '../bench-run.ts';
import { benchHead, benchLine, timing, type BenchRow } from '../bench-rows.ts';
import { jsonLine, type CliContext } from '../context.ts';
import { UsageError } from '../exit.ts';
import { jsonFlag, modelArgument, modelFlags, type JsonFlag, type ModelFlags } from '../flags.ts';
import { modelSize } from '../format.ts';
import { formats, parameterCount } from '../model-facts.ts';
import type { MemoryOptions } from '../../loader.ts';
import { withProgress } from '../open.ts';
import { integerIn, integerList } from '../parse.ts';
import { profileBlock, profileTable } from '../profile.ts';
import { notes } from '../threads.ts';

interface Flags extends Pick<ModelFlags, 'kv' | 'recipe' | 'offline'>, JsonFlag {
  readonly prompt: readonly number[];
  readonly gen: readonly number[];
  readonly depth: readonly number[];
  readonly threads?: readonly number[];
  readonly repetitions: number;
  readonly output: 'md' | 'json';
  readonly profile: boolean;
}

const KV_TYPES = { 4: 'u4', 8: 'i8', 32: 'f32' } as const;

/** What every row of one model says. */
function modelFields(decoder: Decoder, source: string | null, kv: 4 | 8 | 32) {
  const { manifest, backend } = decoder;
  const count = parameterCount(manifest.config);
  return {
    build_commit: '', build_number: 0, cpu_info: cpus()[0]?.model ?? '', gpu_info: '', backends: `${backend.name} ${backend.path}`,
    model_filename: source === null ? '' : basename(source),
    model_type: `${manifest.config.arch} ${modelSize(count)} ${formats(manifest).blocks}`,
    model_size: manifest.bytes, model_n_params: count, n_batch: PAGE, n_ubatch: PAGE, type_k: KV_TYPES[kv], type_v: KV_TYPES[kv],
    n_gpu_layers: 0, flash_attn: true,
  };
}

/** Of a decoder, and who hears about it. */
type Threads = Pick<MemoryOptions, 'threads' | 'onNote'>;

async function openDecoder(
  context: CliContext, source: string | null, flags: Flags, threads: Threads, tests: readonly BenchTest[], profiler?: Profiler,
): Promise<Decoder> {
  const engine = await context.engine();
  return withProgress(context, async (options) => {
    const image = await engine.openImage(source, { ...options, recipe: flags.recipe, kv: flags.kv, offline: flags.offline });
    try {
      return await engine.decoder(image, { ...options, context: contextNeeded(tests), kv: flags.kv, ...threads, wrap: profiler?.wrap });
    } finally {
      await image.close();
    }
  });
}

/** Where the time of one token and of one full block goes, by kernel. */
async function profile(context: CliContext, flags: Flags, source: string | null, json: boolean): Promise<void> {
  const { now, process: { stdout } } = context;
  const tests = benchTests([PAGE], [1], flags.depth);
  const profiler = new Profiler(now);
  await using decoder = await openDecoder(context, source, flags, { threads: flags.threads?.[0] ?? 1, onNote: notes(context) }, tests, profiler);
  const profiles = tests.map(({ prompt, gen, depth }) => profileBlock(decoder, profiler, prompt + gen, depth, flags.repetitions, now));
  stdout.write(json ? jsonLine(profiles) : profiles.map(profileTable).join(''));
}

async function bench(this: CliContext, flags: Flags, model?: string): Promise<void> {
  const { stdout } = this.process;
  const source = model ?? null;
  const json = flags.json || flags.output === 'json';
  if (flags.profile) return profile(this, flags, source, json);
  const tests = benchTests(flags.prompt, flags.gen, flags.depth);
  if (tests.length === 0) throw new UsageError('there is nothing to measure: -p or -n above 0 is needed');
  const rows: BenchRow[] = [];
  const onNote = notes(this);
  for (const [i, threads] of (flags.threads ?? ['auto' as const]).entries()) {
    await using decoder = await openDecoder(this, source, flags, { threads, onNote }, tests);
    if (!json && i === 0) stdout.write(benchHead());
    const fields = modelFields(decoder, source, flags.kv ?? decoder.manifest.kv.bits);
    for (const test of tests) {
      const test_time = new Date().toISOString();
      const samples = await runBench(decoder, test, flags.repetitions, this.now, this.signal);
      const { prompt: n_prompt, gen: n_gen, depth: n_depth } = test;
      const row: BenchRow = { ...fields, n_threads: decoder.threads, n_prompt, n_gen, n_depth, test_time, ...timing(n_prompt + n_gen, samples) };
      if (!json) stdout.write(benchLine(row));
      rows.push(row);
    }
  }
  if (json) stdout.write(jsonLine(rows));
}

export const benchCommand = buildCommand<Flags, [model?: string], CliContext>({
  func: bench,
  parameters: {
    flags: {
      prompt: { kind: 'parsed', parse: integerList(0), default: '512', placeholder: 'N', brief: 'Prompt tokens; lists 1,2,4 and ranges 1-8*2' },
      gen: { kind: 'parsed', parse: integerList(0), default: '128', placeholder: 'N', brief: 'Tokens to generate' },
      depth: { kind: 'parsed', parse: integerList(0), default: '0', placeholder: 'N', brief: 'Tokens already in the context' },
      threads: { kind: 'parsed', parse: integerList(1, MOST_THREADS), optional: true, placeholder: 'N', brief: 'Threads; default auto, as in run' },
      repetitions: { kind: 'parsed', parse: integerIn(1, 1000), default: '5', placeholder: 'N', brief: 'Timed runs of each test' },
      output: { kind: 'enum', values: ['md', 'json'], default: 'md', brief: 'Markdown or JSON' },
      profile: { kind: 'boolean', default: false, withNegated: false, brief: 'Time of each kernel in one token and in a block of 64, at each depth' },
      kv: modelFlags.kv, recipe: modelFlags.recipe, offline: modelFlags.offline, ...jsonFlag,
    },
    aliases: { p: 'prompt', n: 'gen', d: 'depth', t: 'threads', r: 'repetitions', o: 'output' },
    positional: { kind: 'tuple', parameters: [modelArgument] },
  },
  docs: {
    brief: 'Measure tokens per second',
    customUsage: ['[MODEL] [-p 512] [-n 128] [-d 0] [-t 1,2] [-r 5] [-o md|json]', '--profile [MODEL] [-d 0] [-t 1] [-r 5]'],
    fullDescription: 'Prompt (pp) and generation (tg) speed in the fields of llama-bench. Tokenising and sampling are not timed; each test runs once to warm up.',
  },
});
