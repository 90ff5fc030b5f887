import type { LinearMemory } from '../../src/backends/backend.ts';
import { f16ToF32 } from '../../src/core/numeric.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { keyDepth, packedParts, place4, place8, shift4 } from '../../src/formats/kv-layout.ts';
import type { KvCodesFormat, KvFormat } from '../../src/formats/number-format.ts';
import { fillF32, type Fill } from './kernels.ts';
import { lcg } from './linear.ts';

/** Formats whose pages attention reads as they lie. */
export type PageFormat = Exclude<KvFormat, KvCodesFormat>;

/** One head of a page as numbers, read by the formulas of `formats/kv-layout.ts`. */
export interface PageValues {
  key(t: number, c: number): number;
  value(t: number, c: number): number;
}

export function pageValues(memory: LinearMemory, at: number, format: PageFormat, headDim: number): PageValues {
  const { f32, i8, u8, u16 } = memory;
  const word = at >>> 2;
  if (format.bits === 32) {
    return { key: (t, c) => f32[word + c * PAGE + t]!, value: (t, c) => f32[word + (headDim + t) * PAGE + c - t * (PAGE - headDim)]! };
  }
  if (format.bits === 8) {
    const scales = word + (PAGE * headDim) / 2;
    return {
      key: (t, c) => i8[at + place8(headDim, t, c)]! * f32[scales + t]!,
      value: (t, c) => i8[at + PAGE * headDim + place8(PAGE, c, t)]! * f32[scales + PAGE + t]!,
    };
  }
  const { keyGroup, valueGroup } = format;
  const parts = packedParts(headDim, keyGroup, valueGroup);
  const nibble = (byte: number, n: number): number => (u8[at + byte]! >>> shift4(n)) & 15;
  const number = (code: number, scale: number, minimum: number, i: number): number =>
    code * f16ToF32(u16[(at + scale) / 2 + i]!) + f16ToF32(u16[(at + minimum) / 2 + i]!);
  return {
    key: (t, c) => number(nibble(place4(keyDepth(headDim), t, c), t), parts.keyScales, parts.keyMinima, Math.floor(t / keyGroup) * headDim + c),
    value: (t, c) => number(nibble(parts.values + place4(PAGE, c, t), c), parts.valueScales, parts.valueMinima, Math.floor(c / valueGroup) * PAGE + t),
  };
}

/** Writes one head of a page: any codes, scales over some magnitudes. Tokens from `seen` on keep what they hold in the parts that say what a token is. */
export function fillPage(memory: LinearMemory, at: number, format: PageFormat, headDim: number, seen: number, kind: Fill, seed: number): void {
  const random = lcg(seed);
  const magnitude = (): number => 2 ** (Math.floor(random() * 8) - 10);
  if (format.bits === 32) {
    for (let c = 0; c < headDim; c++) fillF32(memory, at + c * PAGE * 4, seen, kind, seed + c);
    fillF32(memory, at + headDim * PAGE * 4, seen * headDim, kind, seed + headDim);
    return;
  }
  if (format.bits === 8) {
    for (let i = 0; i < 2 * PAGE * headDim; i++) memory.i8[at + i] = Math.floor(random() * 255) - 127;
    for (const from of [0, PAGE]) {
      for (let t = 0; t < seen; t++) memory.f32[(at + 2 * PAGE * headDim) / 4 + from + t] = kind === 'zeros' ? 0 : random() * magnitude();
    }
    return;
  }
  const parts = packedParts(headDim, format.keyGroup, format.valueGroup);
  for (let i = 0; i < parts.keyScales; i++) memory.u8[at + i] = Math.floor(random() * 256);
  const halves = (from: number, to: number, sign: number): void => {
    for (let i = from; i < to; i += 2) {
      const half = kind === 'huge' ? 0x7bff : kind === 'zeros' ? 0 : 0x1000 + Math.floor(random() * 0x2400);
      memory.u16[(at + i) / 2] = half | (random() < 0.5 ? sign : 0);
    }
  };
  halves(parts.keyScales, parts.keyMinima, 0);
  halves(parts.keyMinima, parts.valueScales, 0x8000);
  halves(parts.valueScales, parts.valueMinima, 0);
  halves(parts.valueMinima, parts.bytes, 0x8000);
}
