import { Readable, Writable } from 'node:stream';
import { run } from '@stricli/core';
import { openReference } from '../../src/backends/reference/index.ts';
import { TetradError } from '../../src/core/errors.ts';
import { KV4 } from '../../src/formats/number-format.ts';
import { Model } from '../../src/generate/model.ts';
import { withOverrides } from '../../src/quantize/overrides.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { estimate } from '../../src/runtime/estimate.ts';
import { LocalLane } from '../../src/surfaces/adapters/evaluation/lane.ts';
import { opener } from '../../src/surfaces/adapters/node.ts';
import { decoderOf, threadsOf } from '../../src/surfaces/loader.ts';
import { tetrad } from '../../src/surfaces/cli/app.ts';
import type { CliContext, Input } from '../../src/surfaces/cli/context.ts';
import type { Engine } from '../../src/surfaces/cli/engine.ts';
import { processExitCode } from '../../src/surfaces/cli/exit.ts';
import { BYTE_VOCAB, byteTokenizer, FakeModel } from '../generate/fake-model.ts';
import { tinyStore } from '../support/tiny-model.ts';

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Calls {
  readonly opened: unknown[];
  readonly saved: string[];
  /** Evaluation jobs, for each time that lanes were opened. */
  readonly jobs: number[];
}

const found = (source: string | null): void => {
  if (source === 'missing.gguf') throw new TetradError('not_found', 'Cannot open missing.gguf: there is no such file');
};

/** How much of the script the end of the cache is. */
function said(cache: readonly number[], script: readonly number[]): number {
  for (let length = script.length - 1; length > 0; length--) {
    if (script.slice(0, length).every((id, i) => cache.at(i - length) === id)) return length;
  }
  return 0;
}

/** The tiny model on scalar kernels behind every source; text comes from a fake that says `text` and ends. */
export function tinyEngine(calls: Calls, text = 'Hello'): Engine {
  const script = [...new TextEncoder().encode(text), 256];
  const engine: Engine = {
    describe: async (source) => {
      found(source);
      const { config, tokenizer, provenance } = tinyStore();
      const { manifest } = quantize(tinyStore(), recipe('w4a8'));
      return { config, tokenizer, provenance: { ...provenance }, container: source === null ? { manifest, estimate: estimate(manifest, { context: 64, kv: KV4 }) } : null };
    },
    prepare: async (source) => found(source),
    models: { pull: async () => { throw new Error('no network'); }, list: async () => [], remove: async () => {} },
    openImage: async (source, options) => {
      found(source);
      calls.opened.push({ source, recipe: options.recipe, kv: options.kv });
      return quantize(tinyStore(), withOverrides(recipe(options.recipe ?? 'w4a8'), options.set ?? []), options);
    },
    decoder: (image, { wrap = (open) => open, ...options }) =>
      decoderOf(image, { context: 128, kv: 4, ...options, threads: threadsOf(options, null), open: wrap(openReference) }),
    load: async (source, options) => {
      found(source);
      threadsOf(options, null);
      const tokenizer = source === 'base' ? byteTokenizer({ chatTemplate: null }) : byteTokenizer();
      const tokens = new FakeModel(BYTE_VOCAB, 512, script);
      tokens.logits = () => {
        const logits = new Float32Array(BYTE_VOCAB);
        logits[script[said(tokens.cache, script)]!] = 100;
        return logits;
      };
      return new Model({ tokens, tokenizer, config: tinyStore().config, kernels: 'scalar', threads: 1, estimate: null, now: () => performance.now() });
    },
    pack: async (source, directory, options) => {
      const image = await engine.openImage(source, options);
      for await (const piece of image.pieces()) await piece.fill(new Uint8Array(piece.bytes));
      calls.saved.push(directory);
      return image.manifest;
    },
    identity: async (source) => source ?? 'embedded',
    lanes: async (setup, { jobs }) => {
      calls.jobs.push(jobs);
      const lane = new LocalLane({ ...setup, threads: 1 }, async ({ source, kv = 4, ...options }, settings) => {
        const image = await engine.openImage(source, { ...options, recipe: String(options.recipe ?? 'w4a8'), signal: settings.signal });
        return decoderOf(image, { ...settings, kv, open: await opener('simd128') }); // many tokens: the scalar kernels would take long
      });
      return { lanes: [lane], [Symbol.asyncDispose]: () => lane[Symbol.asyncDispose]() };
    },
    kernels: async () => ({
      paths: [{ isa: 'relaxed-i32', fault: 'wrong result at output 3', gmacs: 0 }, { isa: 'simd128', fault: null, gmacs: 12.34 }], chosen: 'simd128', threads: 2,
    }),
  };
  return engine;
}

export const emptyCalls = (): Calls => ({ opened: [], saved: [], jobs: [] });

export interface CliOptions {
  readonly input?: string;
  readonly calls?: Calls;
  readonly signal?: AbortSignal;
  readonly engine?: Engine;
}

class Sink extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** Runs the program in this process. */
export async function cli(args: readonly string[], { input, calls = emptyCalls(), signal = new AbortController().signal, engine }: CliOptions = {}): Promise<Outcome> {
  const stdout = new Sink();
  const stderr = new Sink();
  const stdin: Input = Object.assign(Readable.from(input === undefined ? [] : [input]), { isTTY: input === undefined });
  const context: CliContext = {
    process: { stdout, stderr, env: {} }, stdin, signal, now: () => performance.now(), engine: async () => engine ?? tinyEngine(calls),
  };
  await run(tetrad('1.2.3', signal), args, context);
  return { code: processExitCode(context.process.exitCode), out: stdout.text, err: stderr.text };
}

