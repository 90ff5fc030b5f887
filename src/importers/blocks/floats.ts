import { bitsOf, fromBits } from '../../core/numeric.ts';

/** IEEE half to the bits of the equal f32, exact for subnormals, infinities and NaN. */
function halfToBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const magnitude = half & 0x7fff;
  if (magnitude >= 0x7c00) return sign | 0x7f800000 | ((magnitude & 0x3ff) << 13);
  if (magnitude >= 0x400) return sign | ((magnitude << 13) + 0x38000000);
  return sign | bitsOf(magnitude * 2 ** -24);
}

/** The little-endian half at `at`, as f32. Unlike the kernels' conversion it keeps infinities and NaN: a file says what it says. */
export const halfAt = (bytes: Uint8Array, at: number): number => fromBits(halfToBits(bytes[at]! | (bytes[at + 1]! << 8)));

export const copyF32 = (bytes: Uint8Array, out: Float32Array): void =>
  new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes);

export function widenF16(bytes: Uint8Array, out: Float32Array): void {
  const bits = new Int32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) bits[i] = halfToBits(bytes[2 * i]! | (bytes[2 * i + 1]! << 8));
}

export function widenBF16(bytes: Uint8Array, out: Float32Array): void {
  const bits = new Int32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) bits[i] = (bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24);
}
