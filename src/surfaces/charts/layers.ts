import type { LayerErrors } from '../../evaluate/layers/errors.ts';
import { curve, element, line, picture, text } from './svg.ts';

const [WIDTH, HEIGHT] = [860, 470];
const AREA = { left: 64, right: 640, top: 70, bottom: 410 };
const LEGEND = 664;
/** What is smaller is drawn at the bottom. */
const LEAST = 1e-8;

interface Series {
  readonly name: string;
  readonly dashed: boolean;
  readonly points: readonly { readonly layer: number; readonly error: number }[];
}

function seriesOf({ parts, hidden }: LayerErrors): Series[] {
  const inLayers = parts.filter(({ layer }) => layer !== null);
  const names = [...new Set(inLayers.map(({ part }) => part))];
  return [
    ...names.map((name) => ({ name, dashed: false, points: inLayers.filter(({ part }) => part === name).map(({ layer, error }) => ({ layer: layer!, error })) })),
    { name: 'hidden state, accumulated', dashed: true, points: hidden.map((error, layer) => ({ layer, error })) },
  ];
}

const powerBelow = (value: number): number => Math.floor(Math.log10(value) + 1e-9);

/** Relative squared errors by layer, a curve for each part, on a logarithmic axis. */
export function layersSvg(errors: LayerErrors, model: string): string {
  const series = seriesOf(errors);
  const values = series.flatMap(({ points }) => points.map(({ error }) => Math.max(LEAST, error)));
  const low = powerBelow(Math.min(...values));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values)) - 1e-9));
  const last = Math.max(1, errors.hidden.length - 1);
  const px = (layer: number): number => AREA.left + (layer / last) * (AREA.right - AREA.left);
  const py = (error: number): number => AREA.bottom - ((Math.log10(Math.max(LEAST, error)) - low) / (high - low)) * (AREA.bottom - AREA.top);
  const powers = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  const step = Math.ceil(errors.hidden.length / 16);
  const layers = Array.from({ length: Math.ceil(errors.hidden.length / step) }, (_, i) => i * step);
  const percent = (error: number): string => `${(error * 100).toPrecision(3)} %`;
  return picture(WIDTH, HEIGHT, `What each part of ${model} loses`, [
    text(16, 46, `squared error of a part's output over the squared output, from the inputs of the f32 model; ${errors.tokens} tokens`, { class: 'dim' }),
    ...powers.flatMap((power) => [line(AREA.left, py(10 ** power), AREA.right, py(10 ** power), { class: 'grid' }), text(AREA.left - 6, py(10 ** power) + 4, `${Number((10 ** (power + 2)).toPrecision(3))} %`, { class: 'dim end' })]),
    ...layers.map((layer) => text(px(layer), AREA.bottom + 18, String(layer), { class: 'dim middle' })),
    text((AREA.left + AREA.right) / 2, HEIGHT - 18, 'layer', { class: 'middle' }),
    ...series.map(({ name, dashed, points }, n) =>
      curve(dashed ? 5 : n, points.map(({ layer, error }) => ({ x: px(layer), y: py(error), title: `${name}, layer ${layer}: ${percent(error)}` })), dashed)),
    ...series.flatMap(({ name, dashed }, n) => [
      element('rect', { class: `c${dashed ? 5 : n}`, x: LEGEND, y: AREA.top + 22 * n, width: 10, height: 10, rx: 2 }), text(LEGEND + 16, AREA.top + 22 * n + 9, name),
    ]),
  ]);
}
