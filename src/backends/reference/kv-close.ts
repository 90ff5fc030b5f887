import { f16ToF32, f32ToF16, roundHalfEven, toI32 } from '../../core/numeric.ts';
import { KEY_GROUP, PAGE, VALUE_GROUP } from '../../formats/descriptor.ts';
import { kvHeadBytes, valueGroups } from '../../formats/kv-layout.ts';
import type { LinearMemory } from '../backend.ts';

const f = Math.fround;

/**
 * Quantises `length` values x = f32(code * scale) to 4 bits into the low (shift 0) or high (shift 4) nibbles of consecutive bytes:
 * m = f16(min x), s = f16(max(0, max x - m) / 15), code = clamp(round((x - m) * (1 / s)), 0, 15), all zero where s is 0.
 * The range starts at the rounded minimum, so that a group's common offset survives its rounding.
 */
function closeGroup(memory: LinearMemory, length: number, valueAt: (i: number) => number, bytes: number, shift: number, parameters: number): void {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < length; i++) {
    low = Math.min(low, valueAt(i));
    high = Math.max(high, valueAt(i));
  }
  const minimumHalf = f32ToF16(low);
  const minimum = f16ToF32(minimumHalf);
  const scaleHalf = f32ToF16(f(Math.max(0, f(high - minimum)) / 15));
  const scale = f16ToF32(scaleHalf);
  const inverse = scale > 0 ? f(1 / scale) : 0;
  memory.u16[parameters >>> 1] = scaleHalf;
  memory.u16[(parameters + 2) >>> 1] = minimumHalf;
  for (let i = 0; i < length; i++) {
    const code = Math.max(0, Math.min(15, toI32(roundHalfEven(f(f(valueAt(i) - minimum) * inverse)))));
    memory.u8[bytes + i] = (memory.u8[bytes + i]! & (0xf0 >>> shift)) | (code << shift);
  }
}

export function kvClose(memory: LinearMemory, page8: number, page4: number, kvHeads: number, headDim: number): void {
  const { f32, i8 } = memory;
  const half = headDim / 2;
  const groups = valueGroups(headDim);
  for (let head = 0; head < kvHeads; head++) {
    const from = page8 + head * kvHeadBytes(8, headDim);
    const to = page4 + head * kvHeadBytes(4, headDim);
    const scales = (from + 2 * headDim * PAGE) >>> 2;
    const parameters = to + headDim * PAGE;
    for (let c = 0; c < headDim; c++) {
      for (let g = 0; g < 2; g++) {
        const key = (i: number): number => f(i8[from + c * PAGE + g * KEY_GROUP + i]! * f32[scales + g * KEY_GROUP + i]!);
        closeGroup(memory, KEY_GROUP, key, to + c * KEY_GROUP, 4 * g, parameters + (2 * c + g) * 4);
      }
    }
    for (let t = 0; t < PAGE; t++) {
      for (let g = 0; g < 2 * groups; g++) {
        const upper = g < groups ? 0 : 1;
        const first = (g - upper * groups) * VALUE_GROUP;
        const codes = from + headDim * PAGE + t * headDim + upper * half + first;
        const value = (i: number): number => f(i8[codes + i]! * f32[scales + PAGE + t]!);
        const bytes = to + headDim * KEY_GROUP + t * half + first;
        const place = parameters + headDim * 8 + (2 * groups * t + g) * 4;
        closeGroup(memory, Math.min(VALUE_GROUP, half - first), value, bytes, 4 * upper, place);
      }
    }
  }
}
