// Limits of the machine: reads as wide as the kernels', and multiply-accumulates on registers alone.

/** 0: f32 multiply and add; else the dot instruction of a path by the bits of its sums: plain (8 products of i16), relaxed i16, relaxed i32. */
type Unit = u8;
const F32: Unit = 0, PLAIN: Unit = 1, I16: Unit = 2, I32: Unit = 3;

export function streamRead(from: usize, bytes: usize): i32 {
  let a = i32x4.splat(0), b = a, c = a, d = a;
  for (let p = from, end = from + bytes; p < end; p += 64) {
    a = v128.or(a, v128.load(p)); b = v128.or(b, v128.load(p, 16)); c = v128.or(c, v128.load(p, 32)); d = v128.or(d, v128.load(p, 48));
  }
  return i32x4.extract_lane(v128.or(v128.or(a, b), v128.or(c, d)), 0);
}

@inline function step(unit: Unit, acc: v128, x: v128, w: v128): v128 {
  if (unit == F32) return f32x4.add(acc, f32x4.mul(x, w));
  if (unit == PLAIN) return i32x4.add(acc, i32x4.dot_i16x8_s(x, w));
  if (unit == I16) return i16x8.add(acc, v128.relaxed_dot<i16>(x, w));
  return v128.relaxed_dot_add<i32>(x, w, acc);
}

/** 12 accumulators, `rounds` times. Each step multiplies the next accumulator, which has changed since, so that no product can leave the loop. */
@inline function peak(unit: Unit, rounds: i32, data: usize): i32 {
  const w = v128.load(data);
  let a = v128.load(data, 16), b = v128.load(data, 32), c = v128.load(data, 48), d = v128.load(data, 64), e = v128.load(data, 80), f = v128.load(data, 96);
  let g = v128.load(data, 112), h = v128.load(data, 128), i = v128.load(data, 144), j = v128.load(data, 160), k = v128.load(data, 176), l = v128.load(data, 192);
  for (let n = 0; n < rounds; n++) {
    a = step(unit, a, b, w); b = step(unit, b, c, w); c = step(unit, c, d, w); d = step(unit, d, e, w);
    e = step(unit, e, f, w); f = step(unit, f, g, w); g = step(unit, g, h, w); h = step(unit, h, i, w);
    i = step(unit, i, j, w); j = step(unit, j, k, w); k = step(unit, k, l, w); l = step(unit, l, a, w);
  }
  const s = v128.xor(v128.xor(v128.xor(a, b), v128.xor(c, d)), v128.xor(v128.xor(e, f), v128.xor(g, h)));
  return i32x4.extract_lane(v128.xor(s, v128.xor(v128.xor(i, j), v128.xor(k, l))), 0);
}

export function peakF32(rounds: i32, data: usize): i32 { return peak(F32, rounds, data); }
export function peakPlain(rounds: i32, data: usize): i32 { return peak(PLAIN, rounds, data); }
export function peakI16(rounds: i32, data: usize): i32 { return peak(I16, rounds, data); }
export function peakI32(rounds: i32, data: usize): i32 { return peak(I32, rounds, data); }
