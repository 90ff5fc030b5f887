/*
 * silu(x) * y for many vectors. Engines build a vector constant anew at each use, by up to three instructions. One that is the sum of a constant and a
 * zero that only run time knows is built once and kept.
 */

/** x * sigmoid(x) * y, bit for bit as `silu` in src/core/numeric.ts. `round`: see lib/quantise_row.ts; `bias`: 127 in every lane. */
@inline export function siluMul(
  x: v128, y: v128, most: v128, least: v128, log2e: v128, round: v128, ln2High: v128, ln2Low: v128,
  k6: v128, k5: v128, k4: v128, k3: v128, k2: v128, half: v128, one: v128, bias: v128,
): v128 {
  const z = f32x4.neg(x), c = f32x4.pmin(z, most);
  const t = f32x4.add(f32x4.mul(c, log2e), round), n = f32x4.sub(t, round);
  const r = f32x4.sub(f32x4.sub(c, f32x4.mul(n, ln2High)), f32x4.mul(n, ln2Low));
  let p = f32x4.add(f32x4.mul(k6, r), k5);
  p = f32x4.add(f32x4.mul(p, r), k4);
  p = f32x4.add(f32x4.mul(p, r), k3);
  p = f32x4.add(f32x4.mul(p, r), k2);
  p = f32x4.add(f32x4.mul(p, r), half);
  p = f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), one);
  const e = v128.and(f32x4.mul(p, i32x4.shl(i32x4.add(t, bias), 23)), f32x4.ge(z, least));
  return f32x4.mul(f32x4.div(x, f32x4.add(one, e)), y);
}
