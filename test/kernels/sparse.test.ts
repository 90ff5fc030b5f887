import { describe, expect, it } from 'vitest';
import { f32ToF16 } from '../../src/core/numeric.ts';
import type { LinearMemory } from '../../src/backends/backend.ts';
import { lcg } from '../support/linear.ts';
import { expectSame, fillF32, pair } from '../support/kernels.ts';

const STARTS = 64;
const ENTRIES = 1024;
const X = 32768;
const OUT = 1 << 17;

/** Rows of 0 to 9 entries over `channels` channels, halves of every kind that is finite. */
function fill(memory: LinearMemory, rows: number, channels: number, seed: number): void {
  const random = lcg(seed);
  let count = 0;
  for (let row = 0; row < rows; row++) {
    memory.i32[STARTS / 4 + row] = count;
    const entries = Math.floor(random() * 10);
    for (let i = 0; i < entries; i++, count++) {
      const half = Math.floor(random() * 0x7c00) | (random() < 0.5 ? 0x8000 : 0);
      memory.i32[ENTRIES / 4 + count] = (half << 16) | Math.floor(((i + random()) / entries) * channels);
    }
  }
  memory.i32[STARTS / 4 + rows] = count;
}

describe('sparse()', () => {
  it.each([1, 3, 4, 5, 8, 64])('equals the reference byte for byte, in a range of rows: %d tokens', (tokens) => {
    const [rows, channels, outStride, first, last] = [37, 65536 / 64, 40, 3, 31];
    const stride = tokens > 8 ? channels / 4 : channels; // the widest channel still lies inside x
    expectSame(1 << 19, (memory) => {
      fill(memory, rows, stride, tokens);
      fillF32(memory, X, tokens * stride, 'random', 2);
      fillF32(memory, OUT, tokens * outStride, 'random', 3);
    }, (k) => k.sparse(STARTS, ENTRIES, X, stride, OUT, outStride, tokens, first, last), Array.from({ length: tokens }, (_, t) => [
      OUT + (t * outStride + first) * 4, (last - first) * 4,
    ]));
  });

  it('adds by hand: two entries of one row, channel 65535 among them, none of the next', () => {
    const { memory, kernels } = pair(1 << 20).wasm;
    memory.i32.set([0, 2, 2], STARTS / 4);
    memory.i32.set([(f32ToF16(0.5) << 16) | 3, (f32ToF16(-2) << 16) | 65535], ENTRIES / 4);
    memory.f32[X / 4 + 3] = 10;
    memory.f32[X / 4 + 65535] = 7;
    memory.f32.set([100, 200], (1 << 19) / 4);
    kernels.sparse(STARTS, ENTRIES, X, 65536, 1 << 19, 2, 1, 0, 2);
    expect([...memory.f32.subarray((1 << 19) / 4, (1 << 19) / 4 + 2)]).toEqual([100 + 5 - 14, 200]);
  });
});
