import { roundHalfEven, toI32 } from '../../core/numeric.ts';
import { PAGE } from '../../formats/descriptor.ts';
import { kvHeadBytes, place8 } from '../../formats/kv-layout.ts';
import { KV8, KV32 } from '../../formats/number-format.ts';
import type { LinearMemory } from '../backend.ts';

const f = Math.fround;

export function kvAppendF32(
  memory: LinearMemory, k: number, v: number, stride: number, tokens: number, kvHeads: number, headDim: number, page: number, slot: number,
): void {
  const { f32 } = memory;
  for (let head = 0; head < kvHeads; head++) {
    const keys = (page + head * kvHeadBytes(KV32, headDim)) >>> 2;
    const values = keys + headDim * PAGE;
    for (let t = 0; t < tokens; t++) {
      const row = t * stride + head * headDim;
      for (let c = 0; c < headDim; c++) {
        f32[keys + c * PAGE + slot + t] = f32[(k >>> 2) + row + c]!;
        f32[values + (slot + t) * headDim + c] = f32[(v >>> 2) + row + c]!;
      }
    }
  }
}

/** a = absmax of the token's head; scale = a / 127; code = clamp(round(x * (127 / a)), -127, 127), ties to even; all zero where a is 0. */
export function kvAppendI8(
  memory: LinearMemory, k: number, v: number, stride: number, tokens: number, kvHeads: number, headDim: number, page: number, slot: number,
): void {
  const { f32, i8 } = memory;
  const quantise = (row: number, place: (c: number) => number, scale: number): void => {
    let peak = 0;
    for (let c = 0; c < headDim; c++) peak = Math.max(peak, Math.abs(f32[row + c]!));
    const inverse = peak > 0 ? f(127 / peak) : 0;
    for (let c = 0; c < headDim; c++) {
      i8[place(c)] = Math.max(-127, Math.min(127, toI32(roundHalfEven(f(f32[row + c]! * inverse)))));
    }
    f32[scale >>> 2] = f(peak / 127);
  };
  for (let head = 0; head < kvHeads; head++) {
    const keys = page + head * kvHeadBytes(KV8, headDim);
    const values = keys + headDim * PAGE;
    const scales = values + headDim * PAGE;
    for (let t = 0; t < tokens; t++) {
      const row = t * stride + head * headDim;
      const token = slot + t;
      quantise((k >>> 2) + row, (c) => keys + place8(headDim, token, c), scales + 4 * token);
      quantise((v >>> 2) + row, (c) => values + place8(PAGE, c, token), scales + 4 * (PAGE + token));
    }
  }
}
