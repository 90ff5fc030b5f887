import { PAGE, PANEL } from '../../formats/descriptor.ts';
import type { LinearMemory } from '../backend.ts';

const f = Math.fround;

/**
 * Of up to PAGE tokens, for each row i of a panel and each column j from the panel's first row on: acc = 0; for t ascending acc = acc + x[t, i] * x[t, j]; then
 * gram = gram + acc.
 */
function gramPanel(memory: LinearMemory, x: number, xStride: number, tokens: number, length: number, gram: number, panel: number): void {
  const { f32 } = memory;
  for (let i = panel * PANEL; i < Math.min(length, (panel + 1) * PANEL); i++) {
    for (let j = panel * PANEL; j < length; j++) {
      let acc = 0;
      for (let t = 0; t < tokens; t++) {
        const row = (x >>> 2) + t * xStride;
        acc = f(acc + f(f32[row + i]! * f32[row + j]!));
      }
      const at = (gram >>> 2) + i * length + j;
      f32[at] = f(f32[at]! + acc);
    }
  }
}

/** Unit u: panels u and, where it is another one, panels - 1 - u. */
export function gram(
  memory: LinearMemory, x: number, xStride: number, tokens: number, length: number, gramAt: number, firstUnit: number, lastUnit: number,
): void {
  const panels = Math.ceil(length / PANEL);
  for (let t = 0; t < tokens; t += PAGE) {
    const [rows, count] = [x + t * xStride * 4, Math.min(PAGE, tokens - t)];
    for (let unit = firstUnit; unit < lastUnit; unit++) {
      gramPanel(memory, rows, xStride, count, length, gramAt, unit);
      if (panels - 1 - unit !== unit) gramPanel(memory, rows, xStride, count, length, gramAt, panels - 1 - unit);
    }
  }
}
