import { halfAt } from './floats.ts';

/** GGUF's super-blocks of 256: small integer scales (and minima) of 16 or 32 values times f16 `d` (and `dmin`), all products rounded to f32. */

const f = Math.fround;

/** scales u8[16] (scale low, minimum high nibble) | codes 2-bit [64] | d | dmin. Byte j of 32 holds values j, j + 32, j + 64, j + 96 of its half. */
export function q2_k(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = halfAt(bytes, at + 80);
  const dmin = halfAt(bytes, at + 82);
  for (let group = 0; group < 16; group++) {
    const packed = bytes[at + group]!;
    const scale = f(d * (packed & 15));
    const min = f(dmin * (packed >> 4));
    const shift = group & 6;
    const codes = at + 16 + (group >> 3) * 32 + (group & 1) * 16;
    for (let i = 0; i < 16; i++) out[to + group * 16 + i] = f(scale * ((bytes[codes + i]! >> shift) & 3)) - min;
  }
}

/** High bits [32] | codes 2-bit [64] | 6-bit scales [12] | d. A clear high bit subtracts 4; scales are stored plus 32. */
export function q3_k(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = halfAt(bytes, at + 108);
  const scales = at + 96;
  for (let group = 0; group < 16; group++) {
    const low = (bytes[scales + (group & 7)]! >> (group & 8 ? 4 : 0)) & 15;
    const high = (bytes[scales + 8 + (group & 3)]! >> ((group >> 2) * 2)) & 3;
    const scale = f(d * ((low | (high << 4)) - 32));
    const half = (group & 1) * 16;
    const codes = at + 32 + (group >> 3) * 32 + half;
    for (let i = 0; i < 16; i++) {
      const bit = (bytes[at + half + i]! >> (group >> 1)) & 1;
      out[to + group * 16 + i] = scale * (((bytes[codes + i]! >> (group & 6)) & 3) - (bit ? 0 : 4));
    }
  }
}

/** 6-bit scale (`part` 0) or minimum (`part` 4) of group 0..7 from the 12 bytes that Q4_K and Q5_K share. */
function sixBits(bytes: Uint8Array, at: number, group: number, part: 0 | 4): number {
  if (group < 4) return bytes[at + part + group]! & 63;
  const low = (bytes[at + 4 + group]! >> part) & 15;
  return low | ((bytes[at + part + group - 4]! >> 2) & 48);
}

/** d | dmin | 6-bit scales and minima [12] | nibbles [128], 32 bytes for each pair of groups. */
export function q4_k(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = halfAt(bytes, at);
  const dmin = halfAt(bytes, at + 2);
  for (let group = 0; group < 8; group++) {
    const scale = f(d * sixBits(bytes, at + 4, group, 0));
    const min = f(dmin * sixBits(bytes, at + 4, group, 4));
    const codes = at + 16 + (group >> 1) * 32;
    const shift = (group & 1) * 4;
    for (let i = 0; i < 32; i++) out[to + group * 32 + i] = f(scale * ((bytes[codes + i]! >> shift) & 15)) - min;
  }
}

/** As Q4_K with the fifth bits [32] before the nibbles: bit `group` of byte i. */
export function q5_k(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = halfAt(bytes, at);
  const dmin = halfAt(bytes, at + 2);
  for (let group = 0; group < 8; group++) {
    const scale = f(d * sixBits(bytes, at + 4, group, 0));
    const min = f(dmin * sixBits(bytes, at + 4, group, 4));
    const codes = at + 48 + (group >> 1) * 32;
    const shift = (group & 1) * 4;
    for (let i = 0; i < 32; i++) {
      const high = ((bytes[at + 16 + i]! >> group) & 1) << 4;
      out[to + group * 32 + i] = f(scale * (((bytes[codes + i]! >> shift) & 15) | high)) - min;
    }
  }
}

/** Low nibbles [128] | high pairs [64] | scales i8[16] | d. Codes are stored plus 32. */
export function q6_k(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = halfAt(bytes, at + 208);
  for (let group = 0; group < 16; group++) {
    const scale = f(d * ((bytes[at + 192 + group]! << 24) >> 24));
    const part = group & 7; // of the half of 128 values
    const low = at + (group >> 3) * 64 + (part & 3) * 16;
    const high = at + 128 + (group >> 3) * 32 + (part & 1) * 16;
    for (let i = 0; i < 16; i++) {
      const code = ((bytes[low + i]! >> (part & 4)) & 15) | (((bytes[high + i]! >> (part & 6)) & 3) << 4);
      out[to + group * 16 + i] = scale * (code - 32);
    }
  }
}
