/*
 * Rows times a Hadamard matrix, in place (src/backends/reference/hadamard.ts): butterflies inside runs of 2^n channels, then a small matrix across the runs.
 */

/** Butterflies of distance 1 and, where runs have 4 channels and more, 2: inside a vector, with the second of a pair negated. */
function inside(row: usize, end: usize, run: i32): void {
  const odd = i32x4(0, 0x80000000, 0, 0x80000000), upper = i32x4(0, 0, 0x80000000, 0x80000000);
  for (; row < end; row += 16) {
    let v = v128.load(row);
    v = f32x4.add(v128.shuffle<f32>(v, v, 1, 0, 3, 2), v128.xor(v, odd));
    if (run > 2) v = f32x4.add(v128.shuffle<f32>(v, v, 2, 3, 0, 1), v128.xor(v, upper));
    v128.store(row, v);
  }
}

/** Butterflies of `near` bytes, a multiple of 16, then of twice that. */
function between4(row: usize, end: usize, near: usize): void {
  for (const far = 2 * near; row < end; row += far + near) {
    for (const half = row + near; row < half; row += 16) {
      const a = v128.load(row), b = v128.load(row + near), c = v128.load(row + far), d = v128.load(row + near + far);
      const p = f32x4.add(a, b), q = f32x4.add(c, d), r = f32x4.sub(a, b), s = f32x4.sub(c, d);
      v128.store(row, f32x4.add(p, q)); v128.store(row + near, f32x4.add(r, s));
      v128.store(row + far, f32x4.sub(p, q)); v128.store(row + near + far, f32x4.sub(r, s));
    }
  }
}

/** Butterflies of `distance` bytes, a multiple of 16. */
function between(row: usize, end: usize, distance: usize): void {
  for (; row < end; row += distance) {
    for (const half = row + distance; row < half; row += 16) {
      const a = v128.load(row), b = v128.load(row + distance);
      v128.store(row, f32x4.add(a, b));
      v128.store(row + distance, f32x4.sub(a, b));
    }
  }
}

@inline function step(acc: v128, m: usize, x: v128): v128 { return f32x4.add(acc, f32x4.mul(v128.load32_splat(m), x)); }

/** M across runs of `stride` bytes, 4 channels of all runs at a time: by 4 rows of M. */
function across(row: usize, order: i32, stride: usize, matrix: usize, copy: usize): void {
  const none = f32x4.splat(0), width = <usize>order << 2, end = copy + (<usize>order << 4);
  for (const last = row + stride; row < last; row += 16) {
    for (let to = copy, from = row; to < end; to += 16, from += stride) v128.store(to, v128.load(from));
    let out = row, m = matrix;
    for (let i = 0; i < order; i += 4, m += width << 2, out += stride << 2) {
      let a = none, b = none, c = none, d = none;
      for (let x = copy, p = m; x < end; x += 16, p += 4) {
        const v = v128.load(x);
        a = step(a, p, v); b = step(b, p + width, v); c = step(c, p + 2 * width, v); d = step(d, p + 3 * width, v);
      }
      v128.store(out, a); v128.store(out + stride, b); v128.store(out + 2 * stride, c); v128.store(out + 3 * stride, d);
    }
  }
}

/** The same for runs of 1 or 2 channels. */
function acrossShort(row: usize, order: i32, run: usize, matrix: usize, copy: usize): void {
  const bytes = <usize>order * run << 2;
  memory.copy(copy, row, bytes);
  for (const last = row + bytes; row < last; matrix += <usize>order << 2) {
    for (let c: usize = 0; c < run; c++, row += 4) {
      let acc: f32 = 0;
      for (let x = copy + (c << 2), end = copy + bytes, m = matrix; x < end; x += run << 2, m += 4) acc += load<f32>(m) * load<f32>(x);
      store<f32>(row, acc);
    }
  }
}

function scale(row: usize, end: usize, matrix: usize): void {
  const none = f32x4.splat(0);
  for (; row < end; row += 16) v128.store(row, step(none, matrix, v128.load(row)));
}

export function hadamard_f32_simd128(x: usize, xStride: i32, tokens: i32, length: i32, order: i32, matrix: usize, scratch: usize): void {
  const run = length / order, bytes = <usize>length << 2;
  for (let t = 0; t < tokens; t++, x += <usize>xStride << 2) {
    const end = x + bytes;
    if (run > 1) inside(x, end, run);
    let distance: usize = 16;
    for (; distance << 1 < <usize>run << 2; distance <<= 2) between4(x, end, distance);
    if (distance < <usize>run << 2) between(x, end, distance);
    if (order == 1) scale(x, end, matrix);
    else if (run >= 4) across(x, order, <usize>run << 2, matrix, scratch);
    else acrossShort(x, order, <usize>run, matrix, scratch);
  }
}
