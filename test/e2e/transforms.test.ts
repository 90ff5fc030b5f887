import { describe, expect, it } from 'vitest';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { KV32 } from '../../src/formats/number-format.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { parseRecipe } from '../../src/quantize/parse.ts';
import { recipe } from '../../src/quantize/registry.ts';
import type { Transform } from '../../src/quantize/schema.ts';
import { createDecoder } from '../../src/runtime/decoder.ts';
import { allLogits, largestDifference, largestMagnitude } from '../support/logits.ts';
import { testModules } from '../support/modules.ts';
import { pack, storeFor, type Packed } from '../support/pack.ts';

const modules = await testModules();
const ids = Array.from({ length: PAGE + 30 }, (_, i) => (i * 89 + 7) % 256);

const logitsOf = async (image: Packed): Promise<Float32Array> =>
  allLogits(await createDecoder(image, (bytes) => openWasm(modules, 'simd128', bytes), { context: ids.length, kv: KV32, logitRows: PAGE }), ids);

/** Numbers as weights: f32, or f16, to which an order of channels applies as well. */
const packed = (transforms: readonly Transform[], config: Partial<ModelConfig>, bits: 16 | 32 = 32): Promise<Packed> =>
  pack(storeFor('f32', { config }), parseRecipe({ ...recipe('f32'), weight: { bits }, transforms }));

const rotate = (parts: Partial<Extract<Transform, { kind: 'rotate' }>>): Transform => ({ kind: 'rotate', residual: false, heads: false, online: [], ...parts });
const half = { by: 'power', activations: 0.5, weights: 0.5 } as const;

const CASES: Readonly<Record<string, readonly Transform[]>> = {
  'rotated hidden states': [rotate({ residual: true })],
  'rotated heads': [rotate({ heads: true })],
  'inputs of attn.o that the runtime rotates': [rotate({ online: ['attn.o'] })],
  'inputs of mlp.down that the runtime rotates': [rotate({ online: ['mlp.down'] })],
  'all rotations': [rotate({ residual: true, heads: true, online: ['attn.o', 'mlp.down'] })],
  'smoothing by powers': [{ kind: 'smooth', sites: ['attn.qkv', 'attn.o', 'mlp.gate_up', 'mlp.down'], rule: half }],
  'smoothing of a share of the channels': [{ kind: 'smooth', sites: ['attn.qkv', 'mlp.gate_up', 'mlp.down'], rule: { by: 'percentile', share: 0.05 } }],
  'smoothed keys': [{ kind: 'smoothKeys', power: 0.5 }],
  'rotations, then smoothing': [rotate({ residual: true, heads: true, online: ['attn.o'] }), { kind: 'smooth', sites: ['mlp.down'], rule: half }, { kind: 'smoothKeys', power: 1 }],
};

describe.each([true, false])('f32 logits on the kernels, tied: %j, stay what they are after', (tied) => {
  const plain = packed([], { tied }).then(logitsOf);

  it.each(Object.entries(CASES))('%s', async (_, transforms) => {
    const exact = await plain;
    const image = await packed(transforms, { tied });
    expect(Buffer.compare(image.bytes, (await packed([], { tied })).bytes)).not.toBe(0);
    expect(largestDifference(await logitsOf(image), exact)).toBeLessThan(1e-5 * largestMagnitude(exact));
  });
});

describe.each(['energy', 'absmax', 'ranges'] as const)('channels reordered by %s', (by) => {
  it.each(['gathers', 'gathers behind rotations'])('leave f16 logits what they are, by folds and %s', async (what) => {
    const before = what === 'gathers' ? [] : [rotate({ residual: true, online: ['attn.o', 'mlp.down'] })];
    const exact = await logitsOf(await packed(before, {}, 16));
    const image = await packed([...before, { kind: 'reorder', by }], {}, 16);
    const gathered = Object.entries(image.manifest.linears).flatMap(([name, { permute }]) => (permute ? [name.replace(/^layers\.\d\./, '')] : []));
    expect([...new Set(gathered)]).toEqual(['attn.qkv', 'attn.o', 'mlp.gate_up', ...(before.length > 0 ? ['mlp.down'] : [])]);
    expect(largestDifference(await logitsOf(image), exact)).toBeLessThan(1e-5 * largestMagnitude(exact));
  });
});
