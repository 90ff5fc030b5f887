import { expect, test } from 'vitest';
import { openReference } from '../../src/backends/reference/index.ts';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { selfTest } from '../../src/backends/wasm/self-test.ts';
import { collectSamples } from '../../src/calibrate/collect.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { KV32 } from '../../src/formats/number-format.ts';
import { openSafetensors } from '../../src/importers/open.ts';
import { quantize } from '../../src/quantize/run.ts';
import { recipe, RECIPE_NAMES } from '../../src/quantize/registry.ts';
import { createDecoder } from '../../src/runtime/decoder.ts';
import { fileDirectory } from '../../src/surfaces/adapters/files.ts';
import { allLogits } from '../support/logits.ts';
import { testModules } from '../support/modules.ts';
import { tinyExpected, tinyFolder } from '../support/tiny.ts';

const modules = await testModules();
const { ids } = tinyExpected('llama3');
/** Three pages, so that one of them is packed at 4 bits. */
const tokens = [...ids, ...ids];
const context = tokens.length;

const paths = selfTest(modules, () => performance.now()).filter(({ fault }) => fault === null).map(({ isa }) => isa);

/** `keep` needs a source with a grid. */
test.each(RECIPE_NAMES.filter((name) => name !== 'keep'))(`recipe %s gives the same logits, byte for byte, on the reference and on ${paths.join(', ')}`, async (name) => {
  const store = await openSafetensors(fileDirectory(tinyFolder('llama3')));
  try {
    const plain = await createDecoder(quantize(store, recipe('f32')), (bytes) => openWasm(modules, 'simd128', bytes), { context, kv: KV32 });
    const image = quantize(store, recipe(name), { samples: await collectSamples(plain, [ids]) });
    const own = allLogits(await createDecoder(image, openReference, { context, kv: image.manifest.kv, logitRows: PAGE }), tokens);
    expect(own.every(Number.isFinite)).toBe(true);
    for (const isa of paths) {
      const other = allLogits(await createDecoder(image, (bytes) => openWasm(modules, isa, bytes), { context, kv: image.manifest.kv, logitRows: PAGE }), tokens);
      expect(Buffer.compare(new Uint8Array(own.buffer), new Uint8Array(other.buffer)), isa).toBe(0);
    }
  } finally {
    await store.close();
  }
});
