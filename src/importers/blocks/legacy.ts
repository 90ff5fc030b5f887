import { halfAt } from './floats.ts';

/** GGUF's blocks of 32: f16 scale `d`, then f16 minimum `m` (`_1` types), then fifth bits (Q5), then nibbles, low ones first. */

const f = Math.fround;

export function q4_0(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = halfAt(bytes, at);
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 2 + i]!;
    out[to + i] = d * ((pair & 15) - 8);
    out[to + 16 + i] = d * ((pair >> 4) - 8);
  }
}

export function q4_1(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = halfAt(bytes, at);
  const m = halfAt(bytes, at + 2);
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 4 + i]!;
    out[to + i] = f(d * (pair & 15)) + m;
    out[to + 16 + i] = f(d * (pair >> 4)) + m;
  }
}

/** Code i of a Q5 block: bit i of the four bytes at `high` above its nibble. */
const fifth = (bytes: Uint8Array, high: number, i: number): number => ((bytes[high + (i >> 3)]! >> (i & 7)) & 1) << 4;

export function q5_0(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = halfAt(bytes, at);
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 6 + i]!;
    out[to + i] = d * (((pair & 15) | fifth(bytes, at + 2, i)) - 16);
    out[to + 16 + i] = d * (((pair >> 4) | fifth(bytes, at + 2, i + 16)) - 16);
  }
}

export function q5_1(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = halfAt(bytes, at);
  const m = halfAt(bytes, at + 2);
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 8 + i]!;
    out[to + i] = f(d * ((pair & 15) | fifth(bytes, at + 4, i))) + m;
    out[to + 16 + i] = f(d * ((pair >> 4) | fifth(bytes, at + 4, i + 16))) + m;
  }
}

export function q8_0(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = halfAt(bytes, at);
  for (let i = 0; i < 32; i++) out[to + i] = d * ((bytes[at + 2 + i]! << 24) >> 24);
}
