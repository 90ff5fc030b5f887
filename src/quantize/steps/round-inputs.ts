import { roundHalfEven } from '../../core/numeric.ts';
import { blockLength, type ActFormat } from '../../formats/number-format.ts';

/** Scale and centre of a format's grid over values from `low` to `high`. */
function gridOf({ bits, clip, zero }: ActFormat, low: number, high: number): readonly [scale: number, centre: number] {
  const limit = (1 << (bits - 1)) - 1;
  if (zero === undefined) return [(Math.max(-low, high, 0) * clip) / limit, 0];
  return high > low ? [((high - low) * clip) / (2 * limit), (low + high) / 2] : [0, low];
}

/**
 * Inputs as they are after quantising and back, in f64 arithmetic: what steps that search measure with. The kernels' own f32 arithmetic differs from it in
 * last bits. values: f32 [tokens, cols]; static ranges are those of the given values.
 */
export function roundInputs(values: Float32Array, cols: number, act: ActFormat): Float32Array {
  const rounded = values.slice();
  const block = blockLength(act.block, cols);
  const limit = (1 << (act.bits - 1)) - 1;
  const stays = (x: number): boolean => act.outliers !== undefined && Math.abs(x) >= act.outliers;
  const tokens = values.length / cols;
  const together = act.range === 'static' ? tokens : 1;
  for (let token = 0; token < tokens; token += together) {
    for (let from = 0; from < cols; from += block) {
      const to = Math.min(cols, from + block);
      const visit = (each: (x: number, at: number) => void): void => {
        for (let row = token * cols; row < (token + together) * cols; row += cols) {
          for (let at = row + from; at < row + to; at++) if (!stays(values[at]!)) each(values[at]!, at);
        }
      };
      let [low, high] = [Infinity, -Infinity];
      visit((x) => {
        low = Math.min(low, x);
        high = Math.max(high, x);
      });
      const [scale, centre] = gridOf(act, low, high);
      visit((x, at) => {
        const code = scale > 0 ? Math.max(-limit, Math.min(limit, roundHalfEven((x - centre) / scale))) : 0;
        rounded[at] = scale * code + centre;
      });
    }
  }
  return rounded;
}
