import { PAGE, PANEL } from '../../formats/descriptor.ts';
import type { LinearMemory } from '../backend.ts';

const f = Math.fround;

/**
 * Of up to PAGE tokens, for each row i of a panel and each column j from `start` on: acc = 0; for t ascending acc = acc + x[t, i] * y[t, j]; then
 * gram = gram + acc.
 */
function panelProducts(
  { f32 }: LinearMemory, x: number, xStride: number, y: number, yStride: number, tokens: number, length: number, sums: number, panel: number, start: number,
): void {
  for (let i = panel * PANEL; i < Math.min(length, (panel + 1) * PANEL); i++) {
    for (let j = start; j < length; j++) {
      let acc = 0;
      for (let t = 0; t < tokens; t++) acc = f(acc + f(f32[(x >>> 2) + t * xStride + i]! * f32[(y >>> 2) + t * yStride + j]!));
      const at = (sums >>> 2) + i * length + j;
      f32[at] = f(f32[at]! + acc);
    }
  }
}

/** Unit u: panels u and, where it is another one, panels - 1 - u. */
export function gram(
  memory: LinearMemory, x: number, xStride: number, tokens: number, length: number, gramAt: number, firstUnit: number, lastUnit: number,
): void {
  const panels = Math.ceil(length / PANEL);
  const run = (rows: number, count: number, panel: number): void =>
    panelProducts(memory, rows, xStride, rows, xStride, count, length, gramAt, panel, panel * PANEL);
  for (let t = 0; t < tokens; t += PAGE) {
    const [rows, count] = [x + t * xStride * 4, Math.min(PAGE, tokens - t)];
    for (let unit = firstUnit; unit < lastUnit; unit++) {
      run(rows, count, unit);
      if (panels - 1 - unit !== unit) run(rows, count, panels - 1 - unit);
    }
  }
}

export function crossGram(
  memory: LinearMemory, x: number, xStride: number, y: number, yStride: number, tokens: number, length: number, gramAt: number,
  firstPanel: number, lastPanel: number,
): void {
  for (let t = 0; t < tokens; t += PAGE) {
    const [xs, ys] = [x + t * xStride * 4, y + t * yStride * 4];
    for (let panel = firstPanel; panel < lastPanel; panel++) {
      panelProducts(memory, xs, xStride, ys, yStride, Math.min(PAGE, tokens - t), length, gramAt, panel, 0);
    }
  }
}
