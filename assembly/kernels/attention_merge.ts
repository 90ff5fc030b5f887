import { exp2 } from '../lib/exp2';

// Parts of attention over different pages to one (formulas: src/backends/reference/attention.ts).

export function attention_merge_f32_simd128(out: usize, state: usize, part: usize, partState: usize, rows: i32, headDim: i32): void {
  for (const end = state + (<usize>rows << 3); state < end; state += 8, partState += 8) {
    const m = load<f32>(state), n = load<f32>(partState), peak = m < n ? n : m;
    const a = exp2(m - peak), b = exp2(n - peak), own = f32x4.splat(a), other = f32x4.splat(b);
    store<f32>(state, peak);
    store<f32>(state, load<f32>(state, 4) * a + load<f32>(partState, 4) * b, 4);
    for (const last = out + (<usize>headDim << 2); out < last; out += 16, part += 16) {
      v128.store(out, f32x4.add(f32x4.mul(v128.load(out), own), f32x4.mul(v128.load(part), other)));
    }
  }
}

export function attention_finish_f32_simd128(sums: usize, state: usize, tokens: i32, group: i32, headDim: i32, out: usize, outStride: i32): void {
  for (let t = 0; t < tokens; t++, out += <usize>outStride << 2) {
    for (let head = 0, to = out; head < group; head++, state += 8) {
      const sum = f32x4.splat(load<f32>(state, 4));
      for (const end = to + (<usize>headDim << 2); to < end; to += 16, sums += 16) v128.store(to, f32x4.div(v128.load(sums), sum));
    }
  }
}
