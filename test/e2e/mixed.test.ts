import { describe, expect, it } from 'vitest';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { padded } from '../../src/formats/layout.ts';
import { KV4 } from '../../src/formats/number-format.ts';
import type { Linear } from '../../src/models/image.ts';
import { withOverrides } from '../../src/quantize/overrides.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { BoundLinear } from '../../src/runtime/bound-linear.ts';
import { layoutMemory } from '../../src/runtime/layout.ts';
import { integerSegments } from '../../src/runtime/linear-parts.ts';
import { Solo } from '../../src/runtime/team.ts';
import { intsAt, linearValues } from '../support/image.ts';
import { lcg } from '../support/linear.ts';
import { testModules } from '../support/modules.ts';
import { pack } from '../support/pack.ts';
import { tinyStore } from '../support/tiny-model.ts';

const modules = await testModules();
const open = (bytes: number) => openWasm(modules, 'simd128', bytes);
const store = tinyStore({ config: { hidden: 288, headDim: 72 } });

/**
 * y = W x in f64, in the source's channel order: each channel's activation code is found from the set of channels that shares its scale,
 * and no permutation is applied anywhere. `order[i]` is the source channel at permuted place i.
 */
function unpermuted(linear: Linear, order: Int32Array, weights: Float32Array, x: Float32Array): Float64Array {
  const y = new Float64Array(linear.rows);
  for (const { k, act } of integerSegments(linear)) {
    if (act.block === 'row') throw new TypeError('whole rows are not expected here');
    const limit = act.bits === 4 ? 7 : 127;
    for (let from = k[0]; from < k[1]; from += act.block) {
      const channels = [...order.subarray(from, Math.min(k[1], from + act.block))];
      const range = Math.max(...channels.map((c) => Math.abs(x[c]!))) * act.clip;
      for (const channel of channels) {
        const code = Math.max(-limit, Math.min(limit, Math.round((x[channel]! * limit) / range)));
        for (let row = 0; row < linear.rows; row++) y[row]! += ((range / limit) * code) * weights[row * linear.cols + channel]!;
      }
    }
  }
  return y;
}

describe('recipe w4ax', () => {
  it('gathers channels into 4- and 8-bit blocks of one GEMM that equals the unpermuted computation', async () => {
    const image = await pack(store, withOverrides(recipe('w4ax'), ['split.0.share=0.4']));
    const { bytes } = image;
    const layout = layoutMemory(image.manifest, { context: 64, kv: KV4, logitRows: 1, sequences: 1 });
    const backend = open(layout.total);
    backend.memory.u8.set(bytes, layout.image);
    for (const site of ['attn.qkv', 'attn.o', 'mlp.gate_up']) {
      const name = `layers.1.${site}`;
      const linear = image.manifest.linears[name]!;
      expect(linear.segments.map((s) => s.act?.bits), name).toEqual([4, 8]);
      const order = intsAt(bytes, linear.permute!);
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: linear.cols }, (_, i) => i));
      const permuted = linearValues(bytes, linear);
      const weights = new Float32Array(permuted.length);
      for (let i = 0; i < permuted.length; i++) weights[Math.floor(i / linear.cols) * linear.cols + order[i % linear.cols]!] = permuted[i]!;

      const random = lcg(11);
      const x = Float32Array.from({ length: linear.cols }, () => (random() * 2 - 1) * (random() < 0.05 ? 30 : 1));
      backend.memory.f32.set(x, layout.gateUp >>> 2);
      const bound = new BoundLinear(backend, layout, new Solo(), name, linear);
      bound.from(layout.gateUp, padded(linear.cols), 1);
      bound.multiply(layout.logits, padded(linear.rows), 1, 0);
      const y = unpermuted(linear, order, weights, x);
      // f32 rounding: one term per block and a few operations each, relative to the sum of magnitudes.
      const magnitude = (row: number): number => x.reduce((sum, value, c) => sum + Math.abs(value * weights[row * linear.cols + c]!), 0);
      for (let row = 0; row < linear.rows; row++) {
        const got = backend.memory.f32[(layout.logits >>> 2) + row]!;
        expect(Math.abs(got - y[row]!), `${name} row ${row}`).toBeLessThan(16 * 2 ** -24 * (magnitude(row) + 1) * linear.segments.length);
      }
    }
  });

});
