import { Walk } from '../lib/walk';

@inline function finish(o: v128, sum: v128, scale: v128): v128 { return f32x4.add(o, f32x4.mul(f32x4.convert_i32x4_s(sum), scale)); }

@inline function store4(tile: usize, a: v128, b: v128, c: v128, d: v128): void {
  v128.store(tile, a); v128.store(tile, b, 16); v128.store(tile, c, 32); v128.store(tile, d, 48);
}

/**
 * Offsets of two-level blocks in pairs: O[row] = sum over folds of f32(sum over blocks of n[row] * sum of codes) * scale, for two tokens. n of two
 * blocks of a fold stand in the halves of an i32 lane (`pairOffsets`), and so do their sums (`pairSums`).
 */
export function pairedOffsets(walk: Walk, channels: i32, offsets: usize, y0: usize, y1: usize, z0: usize, z1: usize, tile: usize): void {
  const none = f32x4.splat(0), foldChannels = walk.foldChannels, two = 2 * walk.block, scaleStep = walk.scaleStep;
  let o0 = none, o1 = none, o2 = none, o3 = none, p0 = none, p1 = none, p2 = none, p3 = none;
  for (let left = channels; left > 0; left -= foldChannels) {
    let s = v128.load32_splat(z0), r = v128.load32_splat(z1);
    let a = v128.load(offsets), b = v128.load(offsets, 16), c = v128.load(offsets, 32), d = v128.load(offsets, 48);
    let c0 = i32x4.dot_i16x8_s(a, s), c1 = i32x4.dot_i16x8_s(b, s), c2 = i32x4.dot_i16x8_s(c, s), c3 = i32x4.dot_i16x8_s(d, s);
    a = i32x4.dot_i16x8_s(a, r); b = i32x4.dot_i16x8_s(b, r); c = i32x4.dot_i16x8_s(c, r); d = i32x4.dot_i16x8_s(d, r);
    for (let rest = min(left, foldChannels) - two; rest > 0; rest -= two) {
      offsets += 64; z0 += 8; z1 += 8;
      s = v128.load32_splat(z0); r = v128.load32_splat(z1);
      let n = v128.load(offsets); c0 = i32x4.add(c0, i32x4.dot_i16x8_s(n, s)); a = i32x4.add(a, i32x4.dot_i16x8_s(n, r));
      n = v128.load(offsets, 16); c1 = i32x4.add(c1, i32x4.dot_i16x8_s(n, s)); b = i32x4.add(b, i32x4.dot_i16x8_s(n, r));
      n = v128.load(offsets, 32); c2 = i32x4.add(c2, i32x4.dot_i16x8_s(n, s)); c = i32x4.add(c, i32x4.dot_i16x8_s(n, r));
      n = v128.load(offsets, 48); c3 = i32x4.add(c3, i32x4.dot_i16x8_s(n, s)); d = i32x4.add(d, i32x4.dot_i16x8_s(n, r));
    }
    s = v128.load32_splat(y0); r = v128.load32_splat(y1);
    o0 = finish(o0, c0, s); o1 = finish(o1, c1, s); o2 = finish(o2, c2, s); o3 = finish(o3, c3, s);
    p0 = finish(p0, a, r); p1 = finish(p1, b, r); p2 = finish(p2, c, r); p3 = finish(p3, d, r);
    const sumStep = min<usize>(8, scaleStep);
    offsets += 64; z0 += sumStep; z1 += sumStep; y0 += scaleStep; y1 += scaleStep;
  }
  store4(tile, o0, o1, o2, o3);
  store4(tile + 64, p0, p1, p2, p3);
}

/** The same for one token and blocks with zero points, whose n may need more than 16 bits: i32 n and sums of every block. */
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
  store4(tile, o0, o1, o2, o3);
}

/** One scale per row, for one token: n is the same for all rows and blocks, and so is O. */
export function rowOffsets(walk: Walk, channels: i32, n: i32, scales: usize, sums: usize, tile: usize): void {
  let all: f32 = 0;
  for (let left = channels; left > 0; left -= walk.foldChannels, scales += walk.scaleStep) {
    let sum = 0;
    for (let rest = min(left, walk.foldChannels); rest > 0; rest -= walk.block, sums += 4) sum += load<i32>(sums);
    all += <f32>(n * sum) * load<f32>(scales);
  }
  const o = f32x4.splat(all);
  store4(tile, o, o, o, o);
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
  store4(tile, o0, o1, o2, o3);
}

/** Two sums of `count` of a fold into the halves of one word, at the place of the first. */
export function pairSums(sums: usize, to: usize, blocks: i32, perFold: i32): void {
  for (let first = 0; first < blocks; first += perFold) {
    const end = min(blocks, first + perFold);
    for (let b = first; b < end; b += 2) {
      const at = <usize>b << 2, low = load<u32>(sums + at) & 0xffff;
      store<u32>(to + at, b + 1 < end ? low | (load<u32>(sums + at + 4) << 16) : low);
    }
  }
}
