// Limits of the machine for one thread: reads as wide as the kernels', and dot instructions on registers alone.

export function streamRead(from: usize, bytes: usize): i32 {
  let a = i32x4.splat(0), b = a, c = a, d = a;
  for (let p = from, end = from + bytes; p < end; p += 64) {
    a = v128.or(a, v128.load(p)); b = v128.or(b, v128.load(p, 16)); c = v128.or(c, v128.load(p, 32)); d = v128.or(d, v128.load(p, 48));
  }
  return i32x4.extract_lane(v128.or(v128.or(a, b), v128.or(c, d)), 0);
}

@inline function dot<P>(acc: v128, x: v128, w: v128): v128 {
  if (sizeof<P>() == 1) return i32x4.add(acc, i32x4.dot_i16x8_s(x, w));
  if (sizeof<P>() == 2) return i16x8.add(acc, v128.relaxed_dot<i16>(x, w));
  return v128.relaxed_dot_add<i32>(x, w, acc);
}

/** 12 independent accumulators, `rounds` times; x and w come from memory, so that nothing folds. */
@inline function peak<P>(rounds: i32, data: usize): i32 {
  const x = v128.load(data), w = v128.load(data, 16);
  let a = i32x4.splat(1), b = i32x4.splat(2), c = i32x4.splat(3), d = i32x4.splat(4), e = i32x4.splat(5), f = i32x4.splat(6);
  let g = i32x4.splat(7), h = i32x4.splat(8), i = i32x4.splat(9), j = i32x4.splat(10), k = i32x4.splat(11), l = i32x4.splat(12);
  for (let n = 0; n < rounds; n++) {
    a = dot<P>(a, x, w); b = dot<P>(b, x, w); c = dot<P>(c, x, w); d = dot<P>(d, x, w); e = dot<P>(e, x, w); f = dot<P>(f, x, w);
    g = dot<P>(g, x, w); h = dot<P>(h, x, w); i = dot<P>(i, x, w); j = dot<P>(j, x, w); k = dot<P>(k, x, w); l = dot<P>(l, x, w);
  }
  const s = v128.xor(v128.xor(v128.xor(a, b), v128.xor(c, d)), v128.xor(v128.xor(e, f), v128.xor(g, h)));
  return i32x4.extract_lane(v128.xor(s, v128.xor(v128.xor(i, j), v128.xor(k, l))), 0);
}

export function peakPlain(rounds: i32, data: usize): i32 { return peak<u8>(rounds, data); }
export function peakI16(rounds: i32, data: usize): i32 { return peak<i16>(rounds, data); }
export function peakI32(rounds: i32, data: usize): i32 { return peak<i32>(rounds, data); }
