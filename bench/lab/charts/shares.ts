import { curve, element, picture, text } from '../../../src/surfaces/charts/svg.ts';
import { bottomAxis, leftAxis, linearAxis, logAxis, rightAxis, riseOf, riseText, type Area } from './axes.ts';

/** A recipe at one share of products with 4-bit activations. */
export interface SharePoint {
  readonly share: number;
  readonly ratio: number;
  /** Tokens per second of prefill on plain simd128, or null. */
  readonly prefill: number | null;
}

export interface ShareCurve {
  readonly name: string;
  readonly points: readonly SharePoint[];
}

const [WIDTH, HEIGHT] = [860, 480];
const AREA: Area = { left: 64, right: 800, top: 104, bottom: 420 };

/** Quality (whole lines, left axis) and prefill speed (dashed, right axis) against the share of work with 4 bits on both sides. */
export function sharesSvg(curves: readonly ShareCurve[], title: string, below: string): string {
  const all = curves.flatMap(({ points }) => points);
  const rates = all.flatMap(({ prefill }) => (prefill === null ? [] : [prefill]));
  const across = linearAxis([0, 100], [AREA.left, AREA.right]);
  const up = logAxis(all.map(({ ratio }) => riseOf(ratio)), [AREA.bottom, AREA.top]);
  const fast = rates.length > 0 ? linearAxis(rates, [AREA.bottom, AREA.top], { zero: true }) : null;
  const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
  const lines = curves.flatMap(({ name, points }, n) => {
    const sorted = [...points].sort((a, b) => a.share - b.share);
    const quality = sorted.map(({ share, ratio }) => ({ x: across.place(share * 100), y: up.place(riseOf(ratio)), title: `${name}, ${percent(share)} W4A4: ratio ${ratio.toFixed(4)}` }));
    const speed = fast ? sorted.flatMap(({ share, prefill }) => (prefill === null ? [] : [{ x: across.place(share * 100), y: fast.place(prefill), title: `${name}, ${percent(share)} W4A4: ${prefill.toFixed(0)} tokens/s` }])) : [];
    return [curve(n, quality), ...(speed.length > 0 ? [curve(n, speed, true)] : [])];
  });
  return picture(WIDTH, HEIGHT, title, [
    text(16, 44, below, { class: 'dim' }),
    ...curves.flatMap(({ name }, n) => [element('circle', { class: `c${n}`, cx: 22 + n * 150, cy: 66, r: 5 }), text(32 + n * 150, 70, name)]),
    ...bottomAxis(across, AREA, 'share of work with 4-bit weights and activations', (value) => `${value} %`),
    ...leftAxis(up, AREA, 'rise of perplexity over f32', riseText),
    ...(fast ? rightAxis(fast, AREA, 'dashed: prefill on simd128, tokens/s') : []),
    ...lines,
  ]);
}
