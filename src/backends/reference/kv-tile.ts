import { f16ToF32 } from '../../core/numeric.ts';
import { PAGE } from '../../formats/descriptor.ts';
import { valueGroups } from '../../formats/kv-layout.ts';
import type { LinearMemory } from '../backend.ts';

const f = Math.fround;

/** value = code * scale. */
export function kvTileI8(memory: LinearMemory, page: number, headDim: number, keys: number, values: number): void {
  const { f32, i8 } = memory;
  const scales = (page + 2 * headDim * PAGE) >>> 2;
  for (let i = 0; i < headDim * PAGE; i++) {
    f32[(keys >>> 2) + i] = f(i8[page + i]! * f32[scales + (i % PAGE)]!);
    f32[(values >>> 2) + i] = f(i8[page + headDim * PAGE + i]! * f32[scales + PAGE + Math.floor(i / headDim)]!);
  }
}

/** value = code * s + m, the product rounded first. */
export function kvTileU4(
  memory: LinearMemory, page: number, headDim: number, keyGroup: number, valueGroup: number, keys: number, values: number,
): void {
  const { f32, u8, u16 } = memory;
  const half = headDim / 2;
  const keyGroups = PAGE / keyGroup;
  const groups = valueGroups(headDim, valueGroup);
  const parameters = page + headDim * PAGE;
  const expand = (out: number, byte: number, shift: number, at: number): void => {
    const scale = f16ToF32(u16[at >>> 1]!);
    const minimum = f16ToF32(u16[(at + 2) >>> 1]!);
    f32[out] = f(f(((u8[byte]! >>> shift) & 15) * scale) + minimum);
  };
  for (let c = 0; c < headDim; c++) {
    for (let t = 0; t < PAGE; t++) {
      const at = parameters + (keyGroups * c + Math.floor(t / keyGroup)) * 4;
      expand((keys >>> 2) + c * PAGE + t, page + c * (PAGE / 2) + (t % (PAGE / 2)), t < PAGE / 2 ? 0 : 4, at);
    }
  }
  for (let t = 0; t < PAGE; t++) {
    for (let c = 0; c < headDim; c++) {
      const upper = c < half ? 0 : 1;
      const i = c - upper * half;
      const g = upper * groups + Math.floor(i / valueGroup);
      const at = parameters + headDim * keyGroups * 4 + (2 * groups * t + g) * 4;
      expand((values >>> 2) + t * headDim + c, page + headDim * (PAGE / 2) + t * half + i, 4 * upper, at);
    }
  }
}
