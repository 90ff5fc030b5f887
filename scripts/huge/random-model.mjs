// A model of random weights: a Llama-shaped configuration of about the size that is asked for, its weights from a seed.
import { EMBEDDED } from '../../dist/surfaces/adapters/local-models.js';
import { fileDirectory } from '../../dist/surfaces/adapters/files.js';
import { openContainer } from '../../dist/container/read.js';
import { padded } from '../../dist/formats/layout.js';
import { ARCHITECTURES, expectedTensors } from '../../dist/models/arch.js';
import { planImage } from '../../dist/quantize/plan.js';
import { recipe } from '../../dist/quantize/registry.js';

const RECIPE = recipe('w4a8');
const WIDE = { hidden: 4096, heads: 32, kvHeads: 8, headDim: 128, ffn: 11008 };
const NARROW = { hidden: 256, heads: 8, kvHeads: 2, headDim: 32, ffn: 768 };

/** Only shapes are asked of it. */
function storeOf(config, tokenizer, seed) {
  const tensors = new Map(expectedTensors(ARCHITECTURES[0], config).map((tensor) => [tensor.name, { ...tensor, type: 'F32', grid: null }]));
  return { config, tokenizer, provenance: { source: `random weights, seed ${seed}`, format: 'synthetic', license: null }, tensor: (name) => tensors.get(name) };
}

/** The image of about `bytes` bytes; its pieces are layers, made when they are filled. */
export async function randomImage(bytes, seed) {
  const { manifest: { config: own, tokenizer } } = await openContainer(fileDirectory(EMBEDDED));
  const planOf = (layers) => planImage(storeOf({ ...own, name: 'random', ...(bytes > 2 ** 30 ? WIDE : NARROW), layers, context: 2048 }, tokenizer, seed), RECIPE);
  const [one, two] = [planOf(1).manifest.bytes, planOf(2).manifest.bytes];
  const { manifest, groups } = planOf(Math.max(4, Math.round((bytes - one) / (two - one)) + 1));
  const piece = (group, i) => ({
    offset: group.offset,
    bytes: group.bytes,
    async fill(target) {
      const next = numbers(seed * 65536 + i + 1);
      for (const { linear, norm } of group.linears) {
        for (const { data, rowScales, weight } of linear.segments) {
          fillPanels(target.subarray(data.offset - group.offset, data.offset - group.offset + data.bytes), weight.bits, next);
          fillRowScales(words(target, rowScales, group.offset), linear, weight.bits, next);
        }
        if (norm) target.set(new Uint8Array(new Float32Array(norm.bytes / 4).fill(1).buffer), norm.offset - group.offset);
      }
    },
  });
  return { manifest, pieces: () => groups.map(piece), close: async () => {} };
}

/** xorshift32 (Marsaglia 2003). */
function numbers(seed) {
  let x = Math.imul(seed, 0x9e3779b1) | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

const words = (target, { offset, bytes }, base) => new Uint32Array(target.buffer, target.byteOffset + offset - base, bytes / 4);

/** Random codes and scales; each block's minimum takes its scale times half of the largest code, so that weights lie around 0. */
function fillPanels(panels, bits, next) {
  const all = new Uint32Array(panels.buffer, panels.byteOffset, panels.length / 4);
  for (let i = 0; i < all.length; i++) all[i] = next();
  const block = 32 + (16 * 32 * bits) / 8;
  for (let at = 0; at < panels.length; at += block) for (let row = at; row < at + 16; row++) panels[row + 16] = -(panels[row] >> 1);
}

/** Pairs of bfloat16: weights of a row have a deviation of some 1 / sqrt(cols), from row to row a little more or less. */
function fillRowScales(pairs, { rows, cols }, bits, next) {
  const most = 2 ** bits - 1;
  const bfloat = (value) => new Uint32Array(new Float32Array([value]).buffer)[0] >>> 16;
  for (let row = 0; row < padded(rows); row++) {
    const scale = (0.75 + next() / 2 ** 33) / (Math.sqrt(cols) * 128 * most * 0.3);
    pairs[row] = row < rows ? bfloat(scale) | (bfloat(scale * most) << 16) : 0;
  }
}
