// Writes test/fixtures/recipes/branches: a small container of format version 2 with what the cases of recipes.py do not have, 3- and 6-bit weights, shared and
// two-level grids with minima, static activations and cache, a low-rank branch and single weights: node test/oracles/branches_container.ts. Then run
// recipes.py --only branches, which reads it and freezes its logits. Frozen: it need not change when rounding does.
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { writeContainer } from '../../src/container/write.ts';
import { choose } from '../../src/quantize/choices.ts';
import { parseRecipe } from '../../src/quantize/parse.ts';
import { quantize } from '../../src/quantize/run.ts';
import { directorySink } from '../../src/surfaces/adapters/directory-sink.ts';
import { samplesOfRows, tinySamples } from '../support/samples.ts';
import { gaussian, tinyStore } from '../support/tiny-model.ts';

const folder = fileURLToPath(new URL('../fixtures/recipes/branches', import.meta.url));
const store = tinyStore({ config: { layers: 1, hidden: 48, heads: 4, kvHeads: 2, headDim: 16, ffn: 80 } });
const recipe = parseRecipe({
  name: 'branches', description: 'one of each', paper: null, transforms: [{ kind: 'reorder', by: 'absmax', sites: ['attn.qkv', 'mlp.down'] }],
  split: [{ kind: 'sparse', share: 0.02 }, { kind: 'lowRank', rank: 16, iterations: 2 }],
  rounding: 'nearest', weight: { bits: 3, block: 16, scale: 'u3', zero: 'u3' }, act: { bits: 32 }, kv: { bits: 8, per: 'static', rope: 'after' },
  sites: [
    { match: { site: 'attn.o' }, weight: { bits: 8, block: 32, scale: 'u8', zero: 'mid' }, act: { bits: 8, block: 64, clip: 0.95 } },
    { match: { site: 'mlp.gate_up' }, weight: { bits: 6, block: 32, scale: 'u8', zero: 'min' }, act: { bits: 4, block: 32, clip: 1, zero: 'min' } },
    { match: { site: 'mlp.down' }, weight: { bits: 4, block: 'row', scale: 'bf16', zero: 'min' }, act: { bits: 8, block: 'row', clip: 1, zero: 'min', range: 'static' } },
    { match: { site: 'output' }, weight: { bits: 8, block: 32, scale: 'f16', zero: 'int' }, act: { bits: 8, block: 32, clip: 1 } },
  ],
});
const samples = new Map(tinySamples(store.config));
const next = gaussian(7);
const rows = Float32Array.from({ length: 64 * 32 }, () => 1.5 * next()); // [tokens, kvHeads * headDim]
for (let n = 0; n < store.config.layers; n++) {
  for (const part of ['keys', 'values']) samples.set(`layers.${n}.attn.${part}`, samplesOfRows(rows, 32));
}
rmSync(folder, { recursive: true, force: true });
await writeContainer(quantize(store, recipe, { samples, choices: await choose(store, recipe, samples) }), await directorySink(folder));
