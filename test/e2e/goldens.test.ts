import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { evaluatorOf } from '../../src/evaluate/evaluator.ts';
import { perplexity } from '../../src/evaluate/perplexity.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { KV32 } from '../../src/formats/number-format.ts';
import { openGguf } from '../../src/importers/open.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import { quantize } from '../../src/quantize/run.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { createDecoder, type Decoder } from '../../src/runtime/decoder.ts';
import { fileSource } from '../../src/surfaces/adapters/files.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { certainTokens, greedy, logitError, readGoldens, type Goldens } from '../support/goldens.ts';
import { testModules } from '../support/modules.ts';

const found = readGoldens();
if (typeof found === 'string') console.log(`skipped: ${found}`);

/** Greedy tokens per prompt here; `npm run goldens` compares all 64. */
const STEPS = 6;

describe.skipIf(typeof found === 'string')('f32 forward of SmolLM2-135M-Instruct, against PyTorch', () => {
  const goldens = found as Goldens;
  let store: WeightStore;
  let tokenizer: Tokenizer;
  let decoder: Decoder;

  beforeAll(async () => {
    const modules = await testModules();
    store = await openGguf(await fileSource(goldens.gguf));
    tokenizer = new Tokenizer(store.tokenizer);
    const image = quantize(store, recipe('f32'));
    decoder = await createDecoder(image, (bytes) => openWasm(modules, 'simd128', bytes), { context: 512, kv: KV32, logitRows: PAGE });
  });
  afterAll(() => store?.close());

  test('prompts have the golden ids', () => {
    expect(goldens.prompts).toHaveLength(8);
    expect(goldens.prompts.map(({ text }) => tokenizer.encode(text, { special: true }))).toEqual(goldens.prompts.map(({ ids }) => ids));
  });

  test(`logits after each prompt and ${STEPS} greedy tokens are the golden ones`, () => {
    // PyTorch's f32 and f64 logits lie `spread` apart; another order of the same f32 sums may lie several times as far. 1e-3 relative is demanded.
    const spread = Math.max(...goldens.prompts.map((prompt) => prompt.logits_f32_vs_f64_max_abs));
    goldens.prompts.forEach((prompt, i) => {
      const { logits, tokens } = greedy(decoder, prompt.ids, STEPS);
      const error = logitError(goldens, i, logits);
      expect(error.absolute).toBeLessThan(8 * spread);
      expect(error.relative).toBeLessThan(1e-3);
      expect(certainTokens(prompt)).toBeGreaterThan(STEPS);
      expect(tokens).toEqual(prompt.continuation.slice(0, STEPS));
    });
  });

  test('the first 512-token window of WikiText-2 has the golden cross entropy', async () => {
    const ids = tokenizer.encode(goldens.text.slice(0, 8000));
    const { windows } = await perplexity(evaluatorOf(decoder), ids, { windows: 1 });
    expect(Math.abs(windows[0]! - goldens.ppl['wiki@512'].window_nll[0]!)).toBeLessThan(1e-5);
  });
});
