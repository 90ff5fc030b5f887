import { expect, test } from 'vitest';
import type { OpenBackend } from '../../src/backends/backend.ts';
import { openReference } from '../../src/backends/reference/index.ts';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { selfTest } from '../../src/backends/wasm/self-test.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { openSafetensors } from '../../src/importers/open.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import { RECIPE_NAMES } from '../../src/quantize/registry.ts';
import { createDecoder } from '../../src/runtime/decoder.ts';
import { fileDirectory } from '../../src/surfaces/adapters/files.ts';
import { allLogits } from '../support/logits.ts';
import { testModules } from '../support/modules.ts';
import { pack, storeFor } from '../support/pack.ts';
import { tinyExpected, tinyFolder } from '../support/tiny.ts';

const modules = await testModules();
const { ids } = tinyExpected('llama3');
/** Three pages, so that one of them is packed at 4 bits. */
const tokens = [...ids, ...ids];
const context = tokens.length;

const paths = selfTest(modules, () => performance.now()).filter(({ fault }) => fault === null).map(({ isa }) => isa);

const open: Readonly<Record<string, OpenBackend>> = Object.fromEntries(paths.map((isa) => [isa, (bytes: number) => openWasm(modules, isa, bytes)]));

/** The checkpoint of another library, and for `keep`, which needs a source with a grid, a seeded one. */
const storeOf = async (name: string): Promise<WeightStore> =>
  name === 'keep' ? storeFor(name, { config: { context } }) : openSafetensors(fileDirectory(tinyFolder('llama3')));

test.each(RECIPE_NAMES)(`recipe %s gives the same logits, byte for byte, on the reference and on ${paths.join(', ')}`, async (name) => {
  const image = await pack(await storeOf(name), name);
  const logitsOn = async (backend: OpenBackend): Promise<Float32Array> =>
    allLogits(await createDecoder(image, backend, { context, kv: image.manifest.kv, logitRows: PAGE }), tokens.map((id) => id % image.manifest.config.vocab));
  const own = await logitsOn(openReference);
  expect(own.every(Number.isFinite)).toBe(true);
  for (const isa of paths) expect(Buffer.compare(new Uint8Array(own.buffer), new Uint8Array((await logitsOn(open[isa]!)).buffer)), isa).toBe(0);
});

test.each(['comet-rotated', 'omniquant', 'rptq'])('recipe %s packs the same bytes whichever path its calibration runs on', async (name) => {
  const bytes = await Promise.all([openReference, ...Object.values(open)].map(async (backend) => (await pack(await storeOf(name), name, { open: backend })).bytes));
  for (const other of bytes.slice(1)) expect(Buffer.compare(bytes[0]!, other)).toBe(0);
});
