/** Four bytes in memory to i32 lanes, sign-extended. */
@inline export function widenI8x4(address: usize): v128 {
  return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(address)));
}

/** Four bytes in memory to i32 lanes, zero-extended. */
@inline export function widenU8x4(address: usize): v128 {
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(address)));
}
