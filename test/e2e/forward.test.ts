import { describe, expect, test } from 'vitest';
import type { OpenBackend } from '../../src/backends/backend.ts';
import { openReference } from '../../src/backends/reference/index.ts';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { KV32 } from '../../src/formats/number-format.ts';
import { openGguf, openSafetensors } from '../../src/importers/open.ts';
import type { ModelImage } from '../../src/models/image.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import { quantize } from '../../src/quantize/run.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { createDecoder } from '../../src/runtime/decoder.ts';
import { fileDirectory, fileSource } from '../../src/surfaces/adapters/files.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { allLogits, largestDifference } from '../support/logits.ts';
import { testModules } from '../support/modules.ts';
import { tinyExpected, tinyFolder, tinyLogits } from '../support/tiny.ts';

const modules = await testModules();
const BACKENDS: Readonly<Record<string, OpenBackend>> = { reference: openReference, wasm: (bytes) => openWasm(modules, 'simd128', bytes) };

/** test/oracles/tiny_llama.py says what each model is about. */
const CHECKPOINTS = [
  { name: 'llama2', open: (folder: string) => openSafetensors(fileDirectory(folder)) },
  { name: 'llama3', open: (folder: string) => openSafetensors(fileDirectory(folder)) },
  { name: 'llama3', open: async (folder: string) => openGguf(await fileSource(`${folder}/model.gguf`)), file: 'model.gguf' },
  { name: 'mistral', open: (folder: string) => openSafetensors(fileDirectory(folder)) },
  { name: 'linear', open: (folder: string) => openSafetensors(fileDirectory(folder)) },
].map((checkpoint) => ({ ...checkpoint, title: [checkpoint.name, checkpoint.file].join(' ').trim() }));

async function withStore<T>({ name, open }: (typeof CHECKPOINTS)[number], use: (store: WeightStore) => Promise<T>): Promise<T> {
  const store = await open(tinyFolder(name));
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

async function logitsOn(image: ModelImage, backend: OpenBackend, ids: readonly number[]): Promise<Float32Array> {
  return allLogits(await createDecoder(image, backend, { context: ids.length, kv: KV32, logitRows: PAGE }), ids);
}

describe.each(CHECKPOINTS)('f32 forward of $title', (checkpoint) => {
  const expected = tinyExpected(checkpoint.name);

  test('gives the logits of transformers, with the same bytes on the reference and on wasm', () => withStore(checkpoint, async (store) => {
    const image = quantize(store, recipe('f32'));
    const logits = await Promise.all(Object.values(BACKENDS).map((backend) => logitsOn(image, backend, expected.ids)));
    // Rounding alone moves PyTorch's own f32 logits by `spread` from the exact ones; another order of the same sums may move them as far again and some.
    for (const own of logits) expect(largestDifference(own, tinyLogits(checkpoint.name))).toBeLessThan(4 * expected.spread);
    expect(Buffer.compare(new Uint8Array(logits[0]!.buffer), new Uint8Array(logits[1]!.buffer))).toBe(0);
  }));

  test('encode() and decode() equal the tokenizers library', () => withStore(checkpoint, async (store) => {
    const tokenizer = new Tokenizer(store.tokenizer);
    expect(store.tokenizer.addBos).toBe(true);
    const bos = [store.tokenizer.bos];
    expect(expected.texts.map(({ text }) => [...bos, ...tokenizer.encode(text)])).toEqual(expected.texts.map(({ ids }) => ids));
    expect(expected.texts.map(({ ids }) => tokenizer.decode(ids.slice(1)))).toEqual(expected.texts.map(({ decoded }) => decoded));
  }));
});

test('the tolerance notices a wrong RoPE scaling', () => withStore(CHECKPOINTS[1]!, async (store) => {
  const plain = { ...store, config: { ...store.config, rope: { ...store.config.rope, factors: null } } };
  const { ids, spread } = tinyExpected('llama3');
  const own = await logitsOn(quantize(plain, recipe('f32')), BACKENDS['wasm']!, ids);
  expect(largestDifference(own, tinyLogits('llama3'))).toBeGreaterThan(1000 * spread);
}));
