import type { Kernels } from '../../src/backends/backend.ts';
import { PANEL, SEGMENT_BYTES } from '../../src/formats/descriptor.ts';
import { padded, panelBytes } from '../../src/formats/layout.ts';
import type { ActFormat, WeightFormat } from '../../src/formats/number-format.ts';
import { inputShape, writeSegments } from '../../src/kernels/segment.ts';
import { lcg, placeLinear } from '../../test/support/linear.ts';
import { BASE, MOST_TOKENS, SHAPES, TOKENS, type KernelCase } from './case.ts';

const weight: WeightFormat = { bits: 4, block: 32, scale: 'u8', zero: 'min' };
const act: ActFormat = { bits: 8, block: 64, clip: 1 };

/** Addresses of a producer's arguments: a table of one segment, then input rows, then outputs. */
interface Parts { readonly x: number; readonly gamma: number; readonly values: number; readonly codes: number; readonly scales: number; readonly sums: number }

type Produce = (kernels: Kernels, parts: Parts, tokens: number, length: number, codesStride: number, blocks: number) => void;

/** Op, site that it feeds, input elements per channel, and the call. */
const PRODUCERS: readonly (readonly ['rmsnormQuant' | 'siluMulQuant' | 'gatherQuant', string, 1 | 2, Produce])[] = [
  ['rmsnormQuant', 'attn.qkv', 1, (k, p, tokens, n, codesStride, blocks) =>
    k.rmsnormQuant(p.x, n, tokens, n, p.gamma, 1e-5, 0, p.values, 0, BASE, 1, p.codes, codesStride, p.scales, p.sums, blocks)],
  ['siluMulQuant', 'mlp.down', 2, (k, p, tokens, n, codesStride, blocks) =>
    k.siluMulQuant(p.x, 2 * n, tokens, n, 0, p.values, 0, BASE, 1, p.codes, codesStride, p.scales, p.sums, blocks)],
  ['gatherQuant', 'attn.o', 1, (k, p, tokens, n, codesStride, blocks) =>
    k.gatherQuant(p.x, n, tokens, n, 0, p.values, 0, BASE, 1, p.codes, codesStride, p.scales, p.sums, blocks)],
];

function producerCase([op, site, inputs, produce]: (typeof PRODUCERS)[number]): KernelCase {
  const length = SHAPES.find((shape) => shape.site === site)!.cols;
  const segment = { length, weight, act, data: 0, rowScales: 0 };
  const { codes: codesStride, blocks } = inputShape([segment]);
  const gamma = BASE + SEGMENT_BYTES;
  const x = gamma + length * 4;
  const values = x + MOST_TOKENS * inputs * length * 4;
  const codes = values + padded(length) * 4;
  const scales = codes + MOST_TOKENS * codesStride;
  const sums = scales + MOST_TOKENS * blocks * 4;
  const parts: Parts = { x, gamma, values, codes, scales, sums };
  return {
    op, label: 'f32 to A8', site, tokens: TOKENS,
    memory: sums + MOST_TOKENS * blocks * 4,
    work: (tokens) => ({ macs: 0, bytes: tokens * (inputs * length * 4 + codesStride + blocks * 8) }),
    place(memory) {
      const random = lcg(2);
      writeSegments(memory, BASE, [segment]);
      for (let i = gamma / 4; i < values / 4; i++) memory.f32[i] = random() * 4 - 2;
      return {
        end: values, copies: 1,
        call: (kernels, tokens) => produce(kernels, parts, tokens, length, codesStride, blocks),
        output: (tokens) => [[codes, tokens * codesStride], [scales, tokens * blocks * 4], [sums, tokens * blocks * 4]],
      };
    },
  };
}

/** Rows of the 6-bit table, one a call. */
function embedCase(): KernelCase {
  const { rows, cols } = SHAPES.find(({ site }) => site === 'output')!;
  const format: WeightFormat = { bits: 6, block: 64, scale: 'f16', zero: 'mid' };
  const bytes = panelBytes(format, cols) / PANEL;
  return {
    op: 'embed', label: 'W6', site: 'output', tokens: [1],
    memory: BASE + rows * bytes + (8 << 20),
    work: () => ({ macs: 0, bytes: bytes + cols * 4 }),
    place(memory) {
      const p = placeLinear(memory, BASE, { rows, tokens: 1, segments: [{ length: cols, weight: format, act }] }, 3);
      return {
        end: p.out, copies: 997, // rows far apart
        call: (kernels, _, copy) => kernels.embed(p.table, p.count, (copy * 7919) % rows, p.out),
        output: () => [[p.out, cols * 4]],
      };
    },
  };
}

export const otherCases = (): KernelCase[] => [...PRODUCERS.map(producerCase), embedCase()];
