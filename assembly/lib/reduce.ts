/** Largest lane; NaN if one is. */
@inline export function horizontalMax(x: v128): f32 {
  const pair = f32x4.max(x, v128.shuffle<f32>(x, x, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pair, 0), f32x4.extract_lane(pair, 1));
}

/** (lane 0 + lane 1) + (lane 2 + lane 3). */
@inline export function horizontalSum(x: v128): f32 {
  return (f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1)) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}

/** Lane i: the largest lane of the i-th vector, compared as integers. */
@inline export function largest4(a: v128, b: v128, c: v128, d: v128): v128 {
  const x = i32x4.max_s(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7));
  const y = i32x4.max_s(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
  return i32x4.max_s(v128.shuffle<f32>(x, y, 0, 1, 4, 5), v128.shuffle<f32>(x, y, 2, 3, 6, 7));
}

/** Lane i: the largest lane of the i-th vector; no NaN. */
@inline export function highest4(a: v128, b: v128, c: v128, d: v128): v128 {
  const x = f32x4.pmax(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7));
  const y = f32x4.pmax(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
  return f32x4.pmax(v128.shuffle<f32>(x, y, 0, 1, 4, 5), v128.shuffle<f32>(x, y, 2, 3, 6, 7));
}

/** Lane i: (lane 0 + lane 1) + (lane 2 + lane 3) of the i-th vector. */
@inline export function sums4(a: v128, b: v128, c: v128, d: v128): v128 {
  const x = f32x4.add(v128.shuffle<f32>(a, b, 0, 2, 4, 6), v128.shuffle<f32>(a, b, 1, 3, 5, 7));
  const y = f32x4.add(v128.shuffle<f32>(c, d, 0, 2, 4, 6), v128.shuffle<f32>(c, d, 1, 3, 5, 7));
  return f32x4.add(v128.shuffle<f32>(x, y, 0, 2, 4, 6), v128.shuffle<f32>(x, y, 1, 3, 5, 7));
}

/** Lane i: the sum of the i-th vector's i32 lanes. */
@inline export function totals4(a: v128, b: v128, c: v128, d: v128): v128 {
  const x = i32x4.add(v128.shuffle<i32>(a, b, 0, 2, 4, 6), v128.shuffle<i32>(a, b, 1, 3, 5, 7));
  const y = i32x4.add(v128.shuffle<i32>(c, d, 0, 2, 4, 6), v128.shuffle<i32>(c, d, 1, 3, 5, 7));
  return i32x4.add(v128.shuffle<i32>(x, y, 0, 2, 4, 6), v128.shuffle<i32>(x, y, 1, 3, 5, 7));
}

/** Lane Q / 4 in every lane. */
@inline export function spread<Q>(x: v128): v128 {
  if (offsetof<Q>() == 0) return v128.shuffle<f32>(x, x, 0, 0, 0, 0);
  if (offsetof<Q>() == 4) return v128.shuffle<f32>(x, x, 1, 1, 1, 1);
  return offsetof<Q>() == 8 ? v128.shuffle<f32>(x, x, 2, 2, 2, 2) : v128.shuffle<f32>(x, x, 3, 3, 3, 3);
}
