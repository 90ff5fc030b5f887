import { roundHalfEven } from '../../core/numeric.ts';
import { blockLength, type ActFormat } from '../../formats/number-format.ts';

/** Codes of a format: asymmetric ones of 4 bits use all 16. */
function codeRange({ bits, zero }: Pick<ActFormat, 'bits' | 'zero'>): readonly [least: number, most: number] {
  const most = (1 << (bits - 1)) - 1;
  return [zero && bits === 4 ? -most - 1 : -most, most];
}

/**
 * Scale and centre of a format's grid over values from `low` to `high`. Zero is on every static grid: where one channel makes a range wide, the others' values
 * near zero would all be off by the same amount.
 */
export function gridOf(act: Pick<ActFormat, 'bits' | 'zero' | 'clip' | 'range'>, low: number, high: number): readonly [scale: number, centre: number] {
  const [least, most] = codeRange(act);
  if (act.zero === undefined) return [(Math.max(-low, high, 0) * act.clip) / most, 0];
  if (act.range === 'static') {
    const [bottom, top] = [Math.min(low, 0), Math.max(high, 0)];
    const scale = ((top - bottom) * act.clip) / (most - least);
    return [scale, top > bottom ? scale * roundHalfEven((bottom + top) / 2 / scale - (most + least) / 2) : 0];
  }
  const scale = ((high - low) * act.clip) / (most - least);
  return high > low ? [scale, (low + high) / 2 - (scale * (most + least)) / 2] : [0, low];
}

/**
 * Inputs as they are after quantising and back, in f64 arithmetic: what steps that search measure with. The kernels' own f32 arithmetic differs from it in
 * last bits. values: f32 [tokens, cols]; static ranges are those of the given values.
 */
export function roundInputs(values: Float32Array, cols: number, act: ActFormat): Float32Array {
  const rounded = values.slice();
  const block = blockLength(act.block, cols);
  const [least, most] = codeRange(act);
  const outliers = act.outliers ?? Infinity;
  const together = (act.range === 'static' ? values.length : cols) || 1;
  for (let first = 0; first < values.length; first += together) {
    for (let from = 0; from < cols; from += block) {
      const length = Math.min(block, cols - from);
      let [low, high] = [Infinity, -Infinity];
      for (let row = first + from; row < first + together; row += cols) {
        for (let at = row; at < row + length; at++) {
          const x = values[at]!;
          if (x >= outliers || x <= -outliers) continue;
          if (x < low) low = x;
          if (x > high) high = x;
        }
      }
      const [scale, centre] = gridOf(act, low, high);
      for (let row = first + from; row < first + together; row += cols) {
        for (let at = row; at < row + length; at++) {
          const x = values[at]!;
          if (x >= outliers || x <= -outliers) continue;
          const code = scale > 0 ? Math.max(least, Math.min(most, roundHalfEven((x - centre) / scale))) : 0;
          rounded[at] = scale * code + centre;
        }
      }
    }
  }
  return rounded;
}
