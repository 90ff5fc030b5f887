import { PANEL, SEGMENT_BYTES } from '../../src/formats/descriptor.ts';
import { codeBytes, headerBytes, headerFlags, padded, panelBytes } from '../../src/formats/layout.ts';
import type { ActFormat, WeightFormat } from '../../src/formats/number-format.ts';
import { hasRowScales } from '../../src/formats/row-scales.ts';
import { inputShape, weightBlock, writeSegments, type SegmentRow } from '../../src/kernels/segment.ts';
import type { LinearMemory } from '../../src/backends/backend.ts';

export interface LinearCase {
  readonly rows: number;
  readonly tokens: number;
  readonly segments: readonly { readonly length: number; readonly weight: WeightFormat; readonly act: ActFormat }[];
}

/** Addresses of a linear's parts in memory. */
export interface PlacedLinear {
  readonly table: number;
  readonly count: number;
  readonly length: number;
  readonly codes: number;
  readonly codesStride: number;
  readonly scales: number;
  readonly sums: number;
  /** Entries of a token's scales and sums, centres included. */
  readonly blocks: number;
  readonly out: number;
  readonly outStride: number;
  readonly panels: number;
  readonly end: number;
}

export type Random = () => number;

/** A small linear congruential generator in [0, 1): fast filling, no statistics needed. */
export function lcg(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
}

/** What takes sums to the ends of their ranges: all activation codes as large or as small as they get, all code bytes 0 or 255, scale codes 255. */
export interface Extremes {
  readonly codes: 'most' | 'least';
  readonly weights: 0 | 255;
}

/** Writes random panels: any code bytes, halves with exponents around 2^-10, row scales in proportion. */
function fillPanels(memory: LinearMemory, at: number, s: LinearCase['segments'][number], panels: number, random: Random, extremes: Extremes | null): void {
  const flags = headerFlags(s.weight);
  const block = weightBlock(s);
  const byte = (): number => Math.floor(random() * 256);
  const half = (signed: boolean): number => ((8 + Math.floor(random() * 6)) << 10) | Math.floor(random() * 1024) | (signed && random() < 0.5 ? 0x8000 : 0);
  for (let panel = 0; panel < panels; panel++) {
    let p = at + panel * panelBytes(s.weight, s.length);
    for (let k = 0; k < s.length; k += block) {
      const codes = p + headerBytes(flags);
      const end = codes + codeBytes(s.weight.bits, Math.min(block, s.length - k));
      for (let i = p; i < codes; i++) memory.u8[i] = extremes ? 255 : byte();
      for (let i = codes; i < end; i++) memory.u8[i] = extremes ? extremes.weights : byte();
      if (s.weight.scale === 'f16') {
        for (let row = 0; row < PANEL; row++) {
          memory.u16[(p >>> 1) + row] = half(false);
          if (s.weight.zero === 'min') memory.u16[(p >>> 1) + PANEL + row] = half(true);
        }
      }
      p = end;
    }
  }
}

/** The least and the largest code of a format. */
const codeRange = ({ bits, zero }: ActFormat): readonly [number, number] => (bits === 8 ? [-127, 127] : [zero === 'min' ? -8 : -7, 7]);

/** Places a random linear with random activations from `base` on, the same for the same seed. */
export function placeLinear(memory: LinearMemory, base: number, shape: LinearCase, seed: number, extremes: Extremes | null = null): PlacedLinear {
  const random = lcg(seed);
  const panels = padded(shape.rows) / PANEL;
  let at = base;
  const take = (bytes: number): number => {
    const from = at;
    at = Math.ceil((at + bytes) / 64) * 64;
    return from;
  };
  const table = take(shape.segments.length * SEGMENT_BYTES);
  const rows: SegmentRow[] = shape.segments.map((s) => {
    const data = take(panels * panelBytes(s.weight, s.length));
    fillPanels(memory, data, s, panels, random, extremes);
    const rowScales = hasRowScales(s.weight) ? take(panels * PANEL * 4) : 0;
    for (let i = 0; rowScales && i < panels * PANEL * 2; i++) memory.u16[(rowScales >>> 1) + i] = 0x3900 + Math.floor(random() * 256); // bf16 around 2^-13
    return { ...s, data, rowScales };
  });
  writeSegments(memory, table, rows);
  const input = inputShape(shape.segments);
  const blocks = input.blocks + input.centres;
  const length = shape.segments.reduce((sum, s) => sum + s.length, 0);
  const codes = take(shape.tokens * input.codes);
  const scales = take(shape.tokens * blocks * 4);
  const sums = take(shape.tokens * blocks * 4);
  for (let t = 0; t < shape.tokens; t++) {
    let channel = 0;
    let block = 0;
    for (const s of shape.segments) {
      const [least, most] = codeRange(s.act);
      for (let from = 0; from < s.length; from += weightBlock(s), block++) {
        let sum = 0;
        for (let k = from; k < Math.min(s.length, from + weightBlock(s)); k++) {
          const code = extremes ? (extremes.codes === 'most' ? most : least) : Math.round(least + random() * (most - least));
          memory.i8[codes + t * input.codes + channel + k] = code;
          sum += code;
        }
        memory.f32[(scales >>> 2) + t * blocks + block] = Math.fround(random() / 64);
        memory.i32[(sums >>> 2) + t * blocks + block] = sum;
      }
      channel += s.length;
    }
  }
  const outStride = panels * PANEL;
  const guard = 64; // bytes around the result that a test may fill
  const out = take(shape.tokens * outStride * 4 + 2 * guard) + guard;
  return {
    table, count: rows.length, length, codes, codesStride: input.codes, scales, sums, blocks, out, outStride, panels, end: at,
  };
}
