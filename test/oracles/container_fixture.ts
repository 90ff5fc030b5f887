// Writes test/fixtures/container-v1 and its expected digests: node test/oracles/container_fixture.ts. Frozen with the first release of
// format version 1; a later version gets a folder of its own.
import { rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { writeContainer } from '../../src/container/write.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { withOverrides } from '../../src/quantize/overrides.ts';
import { quantize } from '../../src/quantize/run.ts';
import { directorySink } from '../../src/surfaces/adapters/directory-sink.ts';
import { imageBytes } from '../support/image.ts';
import { tinySamples } from '../support/samples.ts';
import { tinyStore } from '../support/tiny-model.ts';
import { valueDigests } from '../support/value-digests.ts';

const folder = fileURLToPath(new URL('../fixtures/container-v1', import.meta.url));
const rope = { theta: 10000, factors: [1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4] };
const store = tinyStore({ config: { layers: 1, hidden: 64, heads: 2, kvHeads: 1, headDim: 32, ffn: 40, rope } });
// One site of every kind of weights that a kernel reads: two levels and f16, each kind of zero, 4, 6, 8 and 32 bits.
const sites = [
  { match: { site: 'output' }, weight: { bits: 6, block: 32, scale: 'u8', zero: 'mid' }, act: { bits: 8, block: 64, clip: 1 } },
  { match: { site: 'attn.o' }, weight: { bits: 8, block: 32, scale: 'f16', zero: 'int' } },
  { match: { site: 'mlp.down' }, weight: { bits: 4, block: 32, scale: 'f16', zero: 'min' } },
  { match: { site: 'mlp.gate_up' }, weight: { bits: 32 }, act: { bits: 32 } },
];
const mixed = withOverrides(recipe('w4ax'), ['name=fixture', 'act.block=32', `sites=${JSON.stringify(sites)}`]);
const image = quantize(store, mixed, { samples: tinySamples(store.config) });
rmSync(folder, { recursive: true, force: true });
await writeContainer(image, await directorySink(folder));
const expected = { linears: Object.keys(image.manifest.linears), digests: valueDigests(image.manifest, await imageBytes(image)) };
writeFileSync(`${folder}.json`, `${JSON.stringify(expected, null, 2)}\n`);
