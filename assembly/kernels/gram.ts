import { PANEL } from '../../src/formats/descriptor';

/*
 * gram[i][j] += sum over t, ascending, of x[t][i] * x[t][j], j from the first row of i's panel on (src/backends/reference/gram.ts). 4 rows by 8 columns stay
 * in registers while all tokens pass; what is left over at the right and below goes cell by cell.
 */

@inline function step(acc: v128, x: usize, y: v128): v128 { return f32x4.add(acc, f32x4.mul(v128.load32_splat(x), y)); }

@inline function finish(out: usize, a: v128, b: v128): void {
  v128.store(out, f32x4.add(v128.load(out), a));
  v128.store(out, f32x4.add(v128.load(out, 16), b), 16);
}

function tile(p: usize, q: usize, xs: usize, end: usize, out: usize, row: usize): void {
  const none = f32x4.splat(0);
  let a0 = none, a1 = none, a2 = none, a3 = none, b0 = none, b1 = none, b2 = none, b3 = none;
  for (; p < end; p += xs, q += xs) {
    const u = v128.load(q), v = v128.load(q, 16);
    a0 = step(a0, p, u); a1 = step(a1, p + 4, u); a2 = step(a2, p + 8, u); a3 = step(a3, p + 12, u);
    b0 = step(b0, p, v); b1 = step(b1, p + 4, v); b2 = step(b2, p + 8, v); b3 = step(b3, p + 12, v);
  }
  finish(out, a0, b0); finish(out + row, a1, b1); finish(out + 2 * row, a2, b2); finish(out + 3 * row, a3, b3);
}

function cell(p: usize, q: usize, xs: usize, end: usize, out: usize): void {
  let acc: f32 = 0;
  for (; p < end; p += xs, q += xs) acc += load<f32>(p) * load<f32>(q);
  store<f32>(out, load<f32>(out) + acc);
}

function gramPanel(x: usize, xs: usize, tokens: i32, length: i32, gram: usize, panel: i32): void {
  const row = <usize>length << 2, rows = <usize>xs * <usize>tokens, first = panel * PANEL, last = min(length, first + PANEL);
  let j = first;
  for (; j + 8 <= length; j += 8) {
    const q = x + (<usize>j << 2);
    let i = first;
    for (; i + 4 <= last; i += 4) {
      const p = x + (<usize>i << 2);
      tile(p, q, xs, p + rows, gram + <usize>i * row + (<usize>j << 2), row);
    }
    for (; i < last; i++) {
      const p = x + (<usize>i << 2);
      for (let c: usize = 0; c < 32; c += 4) cell(p, q + c, xs, p + rows, gram + <usize>i * row + (<usize>j << 2) + c);
    }
  }
  for (; j < length; j++) {
    for (let i = first; i < last; i++) {
      const p = x + (<usize>i << 2);
      cell(p, x + (<usize>j << 2), xs, p + rows, gram + <usize>i * row + (<usize>j << 2));
    }
  }
}

export function gram_f32_simd128(x: usize, xStride: i32, tokens: i32, length: i32, gram: usize, firstUnit: i32, lastUnit: i32): void {
  const panels = (length + PANEL - 1) / PANEL, xs = <usize>xStride << 2;
  for (let unit = firstUnit; unit < lastUnit; unit++) {
    gramPanel(x, xs, tokens, length, gram, unit);
    if (panels - 1 - unit != unit) gramPanel(x, xs, tokens, length, gram, panels - 1 - unit);
  }
}
