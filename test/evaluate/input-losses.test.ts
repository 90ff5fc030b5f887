import { expect, it } from 'vitest';
import { openReference } from '../../src/backends/reference/index.ts';
import { inputLosses } from '../../src/evaluate/input-losses.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { KV32 } from '../../src/formats/number-format.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { createDecoder } from '../../src/runtime/decoder.ts';
import { tinyStore } from '../support/tiny-model.ts';

const decoder = await createDecoder(quantize(tinyStore(), recipe('f32')), openReference, { context: 96, kv: KV32, logitRows: PAGE });
const ids = Array.from({ length: 70 }, (_, i) => (i * 89 + 7) % 260);

it('inputLosses() is zero where nothing is altered, grows with the change and leaves the decoder as it was', async () => {
  const before = decoder.forward(ids.slice(0, 8)).slice();
  const scaled = (factor: number) => (values: Float32Array) => values.map((x) => x * factor);
  const losses = await inputLosses(decoder, ids, new Map([['layers.0.attn.o', scaled(1)], ['layers.1.mlp.down', scaled(1.01)], ['layers.1.mlp.gate_up', scaled(1.2)]]));
  expect(losses.get('layers.0.attn.o')).toBeLessThan(1e-12);
  expect(losses.get('layers.1.mlp.down')).toBeGreaterThan(1e-9);
  expect(losses.get('layers.1.mlp.gate_up')).toBeGreaterThan(losses.get('layers.1.mlp.down')!);
  expect(decoder.forward(ids.slice(0, 8))).toEqual(before);
});

it('inputLosses() alters the named input alone, in whole rows', async () => {
  const seen: number[] = [];
  await inputLosses(decoder, ids, new Map([['layers.0.mlp.down', (values) => {
    seen.push(values.length);
    return values;
  }]]));
  expect(seen).toEqual([64 * 200, 6 * 200]);
});

it('inputLosses() stops at a signal', async () => {
  await expect(inputLosses(decoder, ids, new Map([['layers.0.attn.o', (values) => values]]), { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
});
