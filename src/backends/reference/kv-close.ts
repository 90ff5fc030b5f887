import { f16ToF32, f32ToF16, roundHalfEven, toI32 } from '../../core/numeric.ts';
import { PAGE } from '../../formats/descriptor.ts';
import { keyDepth, kvHeadBytes, packedParts, place4, place8, shift4 } from '../../formats/kv-layout.ts';
import { KV8 } from '../../formats/number-format.ts';
import type { LinearMemory } from '../backend.ts';

const f = Math.fround;

/**
 * Quantises `length` values x to codes up to `most` and hands each code to `put`:
 * m = f16(min x), s = f16(max(0, max x - m) / most), code = clamp(round((x - m) * (1 / s)), 0, most), all zero where s is 0.
 * The range starts at the rounded minimum, so that a group's common offset survives its rounding.
 */
export function closeGroup(
  memory: LinearMemory, length: number, most: number, valueAt: (i: number) => number, scaleAt: number, minimumAt: number, put: (i: number, code: number) => void,
): void {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < length; i++) {
    low = Math.min(low, valueAt(i));
    high = Math.max(high, valueAt(i));
  }
  const minimumHalf = f32ToF16(low);
  const minimum = f16ToF32(minimumHalf);
  const scaleHalf = f32ToF16(f(Math.max(0, f(high - minimum)) / most));
  const scale = f16ToF32(scaleHalf);
  memory.u16[scaleAt >>> 1] = scaleHalf;
  memory.u16[minimumAt >>> 1] = minimumHalf;
  for (let i = 0; i < length; i++) {
    put(i, codeOf(valueAt(i), scale, minimum, most));
  }
}

/** clamp(round((x - minimum) * (1 / scale)), 0, most), ties to even; 0 where the scale is not positive. */
export function codeOf(x: number, scale: number, minimum: number, most: number): number {
  const inverse = scale > 0 ? f(1 / scale) : 0;
  return Math.max(0, Math.min(most, toI32(roundHalfEven(f(f(x - minimum) * inverse)))));
}

export function kvClose(
  memory: LinearMemory, page8: number, page4: number, kvHeads: number, headDim: number, keyGroup: number, valueGroup: number,
): void {
  const { f32, i8, u8 } = memory;
  const parts = packedParts(headDim, keyGroup, valueGroup);
  const setNibble = (byte: number, shift: number, code: number): void => {
    u8[byte] = (u8[byte]! & (0xf0 >>> shift)) | (code << shift);
  };
  for (let head = 0; head < kvHeads; head++) {
    const from = page8 + head * kvHeadBytes(KV8, headDim);
    const to = page4 + head * parts.bytes;
    const scales = (from + 2 * headDim * PAGE) >>> 2;
    for (let c = 0; c < headDim; c++) {
      for (let g = 0; g * keyGroup < PAGE; g++) {
        const first = g * keyGroup;
        const key = (i: number): number => f(i8[from + place8(headDim, first + i, c)]! * f32[scales + first + i]!);
        const side = 2 * (g * headDim + c);
        closeGroup(memory, keyGroup, 15, key, to + parts.keyScales + side, to + parts.keyMinima + side, (i, code) => {
          setNibble(to + place4(keyDepth(headDim), first + i, c), shift4(first + i), code);
        });
      }
    }
    for (let t = 0; t < PAGE; t++) {
      for (let first = 0, g = 0; first < headDim; first += valueGroup, g++) {
        const value = (i: number): number => f(i8[from + headDim * PAGE + place8(PAGE, first + i, t)]! * f32[scales + PAGE + t]!);
        const side = 2 * (g * PAGE + t);
        closeGroup(memory, Math.min(valueGroup, headDim - first), 15, value, to + parts.valueScales + side, to + parts.valueMinima + side, (i, code) => {
          setNibble(to + parts.values + place4(PAGE, first + i, t), shift4(first + i), code);
        });
      }
    }
  }
}
