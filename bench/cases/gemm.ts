import { PANEL } from '../../src/formats/descriptor.ts';
import { panelBytes } from '../../src/formats/layout.ts';
import type { ActFormat, WeightFormat } from '../../src/formats/number-format.ts';
import { lcg, placeLinear } from '../../test/support/linear.ts';
import { BASE, FROM_MEMORY, MOST_TOKENS, SCRATCH, SHAPES, TOKENS, type KernelCase, type Shape } from './case.ts';

const a8: ActFormat = { bits: 8, block: 64, clip: 1 };
const a4: ActFormat = { bits: 4, block: 64, clip: 1 };
const u4: WeightFormat = { bits: 4, block: 32, scale: 'u8', zero: 'min' };

/** Weight format and the share of input channels at each activation format. */
const MIXES: readonly (readonly [string, WeightFormat, readonly (readonly [number, ActFormat])[]])[] = [
  ['W4A8', u4, [[1, a8]]],
  ['W4A4', u4, [[1, a4]]],
  ['W4A4 3/4 + A8 1/4', u4, [[0.75, a4], [0.25, a8]]],
  ['W6A8', { bits: 6, block: 64, scale: 'u8', zero: 'min' }, [[1, a8]]],
  ['W8A8', { bits: 8, block: 64, scale: 'f16', zero: 'mid' }, [[1, a8]]],
];

/** Parts of the input channels in whole blocks of 64. */
function segmentsOf(cols: number, weight: WeightFormat, parts: readonly (readonly [number, ActFormat])[]) {
  const cut = (share: number): number => (share >= 1 ? cols : Math.round((cols * share) / 64) * 64);
  let sum = 0;
  return parts.map(([share, act]) => {
    const from = cut(sum);
    sum += share;
    return { length: cut(sum) - from, weight, act };
  });
}

function gemmCase(label: string, weight: WeightFormat, parts: (typeof MIXES)[number][2], { site, rows, cols }: Shape): KernelCase {
  const segments = segmentsOf(cols, weight, parts);
  const panels = rows / PANEL;
  const bytes = segments.reduce((sum, s) => sum + panelBytes(s.weight, s.length), 0) * panels;
  const copies = Math.max(1, Math.ceil(FROM_MEMORY / bytes));
  return {
    op: 'gemm', label, site, tokens: TOKENS,
    memory: BASE + copies * bytes + copies * rows * (4 + MOST_TOKENS * 4) + (4 << 20),
    work: (tokens) => ({ macs: rows * cols * tokens, bytes }),
    place(memory) {
      // One tall matrix: a copy is a run of its panels.
      const p = placeLinear(memory, BASE, { rows: rows * copies, tokens: MOST_TOKENS, segments }, 1);
      return {
        end: p.out, copies,
        call: (kernels, tokens, copy) => kernels.gemm(
          p.table, p.count, p.codes, p.codesStride, p.scales, p.sums, p.blocks,
          p.out - copy * rows * 4, rows, tokens, copy * panels, (copy + 1) * panels, 0, SCRATCH,
        ),
        output: (tokens) => [[p.out, tokens * rows * 4]],
      };
    },
  };
}

/** f32 panels [K][16] and f32 rows. */
function gemmF32Case({ site, rows, cols }: Shape): KernelCase {
  const panels = rows / PANEL;
  const bytes = rows * cols * 4;
  const copies = Math.ceil(FROM_MEMORY / bytes);
  const x = BASE + copies * bytes;
  const out = x + MOST_TOKENS * cols * 4;
  return {
    op: 'gemmF32', label: 'f32', site, tokens: TOKENS,
    memory: out + MOST_TOKENS * rows * 4,
    work: (tokens) => ({ macs: rows * cols * tokens, bytes }),
    place(memory) {
      const random = lcg(1);
      for (let i = BASE / 4; i < out / 4; i++) memory.f32[i] = random() - 0.5;
      return {
        end: out, copies,
        call: (kernels, tokens, copy) => kernels.gemmF32(BASE + copy * bytes, cols, x, cols, out, rows, tokens, 0, panels, 0),
        output: (tokens) => [[out, tokens * rows * 4]],
      };
    },
  };
}

export const gemmCases = (): KernelCase[] => [
  ...MIXES.flatMap(([label, weight, parts]) => SHAPES.map((shape) => gemmCase(label, weight, parts, shape))),
  ...SHAPES.filter(({ site }) => site !== 'output').map(gemmF32Case),
];
