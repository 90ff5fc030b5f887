import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bitsOf } from '../../src/core/numeric.ts';
import { readBlocksGrid } from '../../src/importers/blocks/grids.ts';
import { BLOCK_TYPES } from '../../src/importers/blocks/table.ts';
import { halfAt } from '../../src/importers/blocks/floats.ts';

/** Blocks and their values according to PyPI gguf (test/oracles/gguf_quants.py). */
function fixture(type: (typeof BLOCK_TYPES)[number]): { blocks: Uint8Array; values: Float32Array } {
  const file = readFileSync(new URL(`../fixtures/gguf/${type.name}.bin`, import.meta.url));
  const count = file.length / (type.bytes + 4 * type.elements);
  const blocks = new Uint8Array(file.subarray(0, count * type.bytes));
  return { blocks, values: new Float32Array(new Uint8Array(file.subarray(count * type.bytes)).buffer) };
}

/** Bits, with every NaN alike: their payload is the processor's choice. */
const comparable = (values: Float32Array): Int32Array => Int32Array.from(values, (value) => (value !== value ? -1 : bitsOf(value)));

describe.each(BLOCK_TYPES.map((type) => [type.name, type] as const))('%s', (_, type) => {
  const { blocks, values } = fixture(type);

  it('dequantise() gives the bits of PyPI gguf', () => {
    const out = new Float32Array(values.length);
    type.dequantise(blocks, out);
    expect(values.length).toBeGreaterThan(1000);
    expect(comparable(out)).toEqual(comparable(values));
  });
});

describe.each(BLOCK_TYPES.flatMap((type) => (type.grid ? [[type.name, type, type.grid] as const] : [])))('%s grid', (_, type, layout) => {
  it('readBlocksGrid() codes, scales and minima give the values back', () => {
    const { blocks, values } = fixture(type);
    const { bits, codes, scale, min, group, zero } = readBlocksGrid(layout, blocks);
    const half = (bits16: number): number => halfAt(new Uint8Array([bits16 & 255, bits16 >> 8]), 0);
    const again = Float32Array.from(codes, (code, i) => {
      const at = Math.floor(i / group);
      return min ? Math.fround(half(scale[at]!) * code) + half(min[at]!) : half(scale[at]!) * (code - zero);
    });
    expect(comparable(again)).toEqual(comparable(values));
    expect(Math.max(...codes)).toBeLessThan(2 ** bits);
    expect([codes.length, scale.length]).toEqual([values.length, values.length / group]);
  });
});
