import { expect, it } from 'vitest';
import { gemmScratchBytes, type Kernels } from '../../src/backends/backend.ts';
import { referenceKernels } from '../../src/backends/reference/index.ts';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { placeLinear, type LinearCase } from '../support/linear.ts';
import { testModules } from '../support/modules.ts';

/** JavaScript hands addresses of 2^31 and more to i32 parameters as negative numbers, and reads them back unsigned. Only pages that are touched take memory. */
it('kernels take addresses above 2 GiB', async () => {
  const base = 2 ** 31 + 4096;
  const backend = openWasm(await testModules(), 'simd128', base + (4 << 20));
  const { memory } = backend;
  const weight = { bits: 4, block: 32, scale: 'u8', zero: 'min' } as const;
  const shape: LinearCase = { rows: 24, tokens: 5, segments: [{ length: 96, weight, act: { bits: 8, block: 64, clip: 1 } }] };
  const p = placeLinear(memory, base + gemmScratchBytes(1024, 64), shape, 5);
  const x = Math.ceil(p.end / 64) * 64;
  for (let i = 0; i < 5 * 96; i++) memory.f32[(x >>> 2) + i] = Math.fround(Math.sin(i));
  const run = (k: Kernels): Uint8Array => {
    memory.u8.fill(0, p.codes, p.codes + 5 * p.codesStride);
    memory.u8.fill(0, p.out, p.out + 5 * p.outStride * 4);
    k.gatherQuant(x, 96, 5, 96, 0, x + 65536, 0, p.table, 1, p.codes, p.codesStride, p.scales, p.sums, p.blocks);
    k.gemm(p.table, 1, p.codes, p.codesStride, p.scales, p.sums, p.blocks, p.out, p.outStride, 5, 0, p.panels, 0, base);
    k.embed(p.table, 1, 7, x + 131072);
    return memory.u8.slice(p.out, p.out + 5 * p.outStride * 4 + 1).map((byte, i) => (i < 5 * p.outStride * 4 ? byte : memory.u8[x + 131072]!));
  };
  const got = run(backend.kernels);
  expect(got.some((byte) => byte !== 0)).toBe(true);
  expect(got).toEqual(run(referenceKernels(memory)));
});
