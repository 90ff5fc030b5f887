import { Walk } from '../lib/walk';

@inline function finish(o: v128, sum: v128, scale: v128): v128 { return f32x4.add(o, f32x4.mul(f32x4.convert_i32x4_s(sum), scale)); }

/** Two-level: O[row] = sum over folds of f32(sum over blocks of n[row] * sum of codes) * scale, for one token. */
export function codeOffsets(walk: Walk, channels: i32, offsets: usize, scales: usize, sums: usize, tile: usize): void {
  const none = f32x4.splat(0);
  let o0 = none, o1 = none, o2 = none, o3 = none;
  for (let left = channels; left > 0; left -= walk.foldChannels) {
    let c0 = none, c1 = none, c2 = none, c3 = none;
    for (let rest = min(left, walk.foldChannels); rest > 0; rest -= walk.block, offsets += 64, sums += 4) {
      const sum = v128.load32_splat(sums);
      c0 = i32x4.add(c0, i32x4.mul(v128.load(offsets), sum)); c1 = i32x4.add(c1, i32x4.mul(v128.load(offsets, 16), sum));
      c2 = i32x4.add(c2, i32x4.mul(v128.load(offsets, 32), sum)); c3 = i32x4.add(c3, i32x4.mul(v128.load(offsets, 48), sum));
    }
    const scale = v128.load32_splat(scales);
    o0 = finish(o0, c0, scale); o1 = finish(o1, c1, scale); o2 = finish(o2, c2, scale); o3 = finish(o3, c3, scale);
    scales += walk.scaleStep;
  }
  v128.store(tile, o0); v128.store(tile, o1, 16); v128.store(tile, o2, 32); v128.store(tile, o3, 48);
}

/** Real scales: O[row] = sum over blocks of m[row] * (f32(sum of codes) * scale), for one token. */
export function realOffsets(walk: Walk, channels: i32, offsets: usize, scales: usize, sums: usize, tile: usize): void {
  const none = f32x4.splat(0);
  let o0 = none, o1 = none, o2 = none, o3 = none;
  for (let left = channels; left > 0; left -= walk.block, offsets += 64, scales += 4, sums += 4) {
    const x = f32x4.splat(<f32>load<i32>(sums) * load<f32>(scales));
    o0 = f32x4.add(o0, f32x4.mul(v128.load(offsets), x)); o1 = f32x4.add(o1, f32x4.mul(v128.load(offsets, 16), x));
    o2 = f32x4.add(o2, f32x4.mul(v128.load(offsets, 32), x)); o3 = f32x4.add(o3, f32x4.mul(v128.load(offsets, 48), x));
  }
  v128.store(tile, o0); v128.store(tile, o1, 16); v128.store(tile, o2, 32); v128.store(tile, o3, 48);
}
