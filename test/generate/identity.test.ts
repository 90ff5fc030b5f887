import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { KV4, KV32 } from '../../src/formats/number-format.ts';
import type { GenerationResult } from '../../src/generate/generation.ts';
import { Model, type GenerateOptions } from '../../src/generate/model.ts';
import { LOGIT_ROWS } from '../../src/generate/speculation.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { createDecoder } from '../../src/runtime/decoder.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { testModules } from '../support/modules.ts';
import { tinyStore, tinyTokenizer } from '../support/tiny-model.ts';
import { byteTokenizer, FakeModel } from './fake-model.ts';

const VOCAB = 10;
const END = 9;
const config = { arch: 'llama', name: 'fake' } as ModelConfig;

/** Says much that it has said before: what comes next depends on two tokens. */
function repetitive(context: number, page: number): { fake: FakeModel; model: Model } {
  const fake = new FakeModel(VOCAB, context);
  fake.memory = 2;
  fake.page = page;
  let clock = 0;
  return { fake, model: new Model({ tokens: fake, tokenizer: byteTokenizer({ eos: [END] }), config, kernels: 'scalar', threads: 1, estimate: null, now: () => clock++ }) };
}

/** What must not depend on guesses. */
const seen = ({ text, tokens, finishReason, usage, seed }: GenerationResult): object => ({ text, tokens, finishReason, usage, seed });

const id = fc.nat(VOCAB - 1);
const options: fc.Arbitrary<GenerateOptions> = fc.record({
  seed: fc.nat(1000),
  temperature: fc.constantFrom(0, 0, 0.2, 0.5, 1),
  topK: fc.constantFrom(0, 3),
  topP: fc.constantFrom(1, 0.9),
  repetitionPenalty: fc.constantFrom(1, 1.02),
  frequencyPenalty: fc.constantFrom(0, 0.01),
  logitBias: fc.constantFrom({}, { 3: 1, [END]: -1 }),
  maxTokens: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
  stop: fc.constantFrom([], ['\u0001\u0002'], ['\u0003\u0003', '\u0004']),
});
const speculate = fc.constantFrom<NonNullable<GenerateOptions['speculate']>[]>('auto', 1, 2, 5, 7);
const setting = fc.record({ prompt: fc.array(id, { minLength: 1, maxLength: 30 }), page: fc.constantFrom(1, 4), context: fc.integer({ min: 31, max: 90 }), options, speculate });

describe('Model.generate() with speculate', () => {
  test('gives the text, end, usage and cache that it gives without, and so does the next one', async () => {
    let [drafted, accepted] = [0, 0];
    await fc.assert(fc.asyncProperty(setting, async ({ prompt, page, context, options: given, speculate: guesses }) => {
      const [plain, guessing] = [repetitive(context, page), repetitive(context, page)];
      const want = await plain.model.generate(prompt, { ...given, speculate: false }).result;
      const own = await guessing.model.generate(prompt, { ...given, speculate: guesses }).result;
      expect(seen(own)).toEqual(seen(want));
      expect(guessing.fake.cache).toEqual(plain.fake.cache);
      drafted += own.timings.draftedTokens;
      accepted += own.timings.acceptedTokens;
      expect([want.timings.draftedTokens, want.timings.acceptedTokens]).toEqual([0, 0]);
      const next = [...prompt, ...want.tokens, 1].slice(0, context);
      const again = { ...given, maxTokens: 5 };
      expect(seen(await guessing.model.generate(next, { ...again, speculate: guesses }).result))
        .toEqual(seen(await plain.model.generate(next, { ...again, speculate: false }).result));
    }), { numRuns: 400 });
    expect(accepted).toBeGreaterThan(1000);
    expect(drafted - accepted).toBeGreaterThan(1000);
  });

  test('stops where the reader stops or aborts, with the same cache', async () => {
    await fc.assert(fc.asyncProperty(setting, fc.integer({ min: 1, max: 20 }), fc.boolean(), async ({ prompt, page, context, options: given, speculate: guesses }, most, abort) => {
      const outcome = async (own: GenerateOptions['speculate']): Promise<unknown> => {
        const { fake, model } = repetitive(context, page);
        const controller = new AbortController();
        const pieces: string[] = [];
        let failed = false;
        try {
          for await (const piece of model.generate(prompt, { ...given, speculate: own, signal: controller.signal })) {
            pieces.push(piece);
            if (pieces.length < most) continue;
            if (!abort) break;
            controller.abort();
          }
        } catch {
          failed = true;
        }
        return { pieces, failed, cache: fake.cache };
      };
      expect(await outcome(guesses)).toEqual(await outcome(false));
    }), { numRuns: 200 });
  });

  test('fails with disposed even where the next token has been run', async () => {
    const { model } = repetitive(64, 1);
    const reader = model.generate([1, 2, 1, 2, 1], { temperature: 0, speculate: 7, logitBias: { 1: 50 } })[Symbol.asyncIterator]();
    for (let i = 0; i < 4; i++) await reader.next();
    await model.dispose();
    await expect(reader.next()).rejects.toThrow(expect.objectContaining({ code: 'disposed' }));
  });

  test.each([0, 8, 'on', true])('refuses %j', async (value) => {
    const { model } = repetitive(64, 1);
    await expect(model.generate([1], { speculate: value as 1 }).result).rejects.toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });
});

describe.each([['4-bit', KV4], ['f32', KV32]] as const)('a decoder with a %s cache', (_, kv) => {
  test('gives the same text with and without speculate, across pages and up to the end of the context', async () => {
    const modules = await testModules();
    const image = quantize(tinyStore({ config: { context: 512 } }), recipe('w4a8'));
    const open = async (): Promise<Model> => {
      const tokens = await createDecoder(image, (bytes) => openWasm(modules, 'simd128', bytes), { context: 300, kv, logitRows: LOGIT_ROWS });
      return new Model({ tokens, tokenizer: new Tokenizer(tinyTokenizer()), config: image.manifest.config, kernels: 'scalar', threads: 1, estimate: null, now: () => performance.now() });
    };
    const [plain, guessing] = [await open(), await open()];
    let accepted = 0;
    // Letters that are biased repeat each other often, and never as the guesses say for long.
    const logitBias = Object.fromEntries([...'abcd'].map((letter) => [letter.charCodeAt(0), 8]));
    for (const given of [{ temperature: 0 }, { temperature: 0, repetitionPenalty: 1.3, logitBias }, { temperature: 0.4, seed: 3, logitBias }, { seed: 4, logitBias, topK: 3 }]) {
      const prompt = 'the cat sat on the mat, and the cat sat on the';
      const want = await plain.generate(prompt, { ...given, speculate: false }).result;
      for (const guesses of ['auto', 3, 7] as const) {
        const own = await guessing.generate(prompt, { ...given, speculate: guesses }).result;
        expect([own.text, own.tokens, own.finishReason]).toEqual([want.text, want.tokens, want.finishReason]);
        accepted += own.timings.acceptedTokens;
      }
    }
    expect(accepted).toBeGreaterThan(100);
  });
});
