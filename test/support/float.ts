import type { LinearMemory } from '../../src/backends/backend.ts';
import { f32ToF16 } from '../../src/core/numeric.ts';
import { dequantise } from '../../src/formats/dequantise.ts';
import { SEGMENT_BYTES } from '../../src/formats/descriptor.ts';
import { segmentPanelBytes } from '../../src/formats/layout.ts';
import { isGrid, type FloatFormat, type WeightFormat } from '../../src/formats/number-format.ts';
import { blocksOf, packFloatPanels, packPanels } from '../../src/formats/pack.ts';
import { bf16Above, packRowScales } from '../../src/formats/row-scales.ts';
import { writeFloatRow } from '../../src/kernels/segment.ts';
import { repackU6 } from '../../src/backends/reference/repack.ts';
import { lcg, type Random } from './linear.ts';

type Kind = Pick<WeightFormat, 'scale' | 'zero'>;
const KINDS: readonly Kind[] = (['f16', 'u8'] as const).flatMap((scale) => (['mid', 'int', 'min'] as const).map((zero) => ({ scale, zero })));
const SHARED: Kind = { scale: 'u3', zero: 'u3' };

/** Every grid of a width. */
export const gridsOf = (bits: WeightFormat['bits']): WeightFormat[] => [
  ...([16, 32, 64, 128] as const).flatMap((block) => [...KINDS, ...(bits <= 4 ? [SHARED] : [])].map((kind) => ({ bits, block, ...kind }))),
  ...(['mid', 'min'] as const).map((zero) => ({ bits, block: 'row' as const, scale: 'bf16' as const, zero })),
];

/** Random rows of a grid and what they stand for. */
interface Grid { readonly panels: Uint8Array; readonly rowScales: Float32Array | null; readonly values: Float32Array }

function randomGrid(format: WeightFormat, rows: number, length: number, random: Random): Grid {
  const entries = rows * blocksOf(format, length);
  const integers = (count: number, limit: number): Uint16Array => Uint16Array.from({ length: count }, () => Math.floor(random() * limit));
  const halves = (count: number, signed: boolean): Uint16Array => Uint16Array.from({ length: count }, () => f32ToF16((signed ? random() * 2 - 1 : random()) / 32));
  const ofScales = { f16: () => halves(entries, false), u8: () => integers(entries, 256), bf16: () => new Uint16Array(0), u3: () => integers(entries, 8) };
  const ofMinima = { ...ofScales, f16: () => halves(entries, true) };
  const source = {
    rows, length, codes: Uint8Array.from(integers(rows * length, 1 << format.bits)), scales: ofScales[format.scale](),
    zeros: format.zero === 'mid' ? new Uint16Array(0) : format.zero === 'int' ? integers(entries, 256) : ofMinima[format.scale](),
    shared: format.scale === 'u3' ? halves(Math.ceil(rows / 16) * blocksOf(format, length) * 4, true) : undefined,
  };
  const rowScales = format.scale === 'u8' || format.scale === 'bf16' ? Float32Array.from({ length: 2 * rows }, () => bf16Above(random() / 64)) : null;
  const panels = new Uint8Array(Math.ceil(rows / 16) * segmentPanelBytes(format, length));
  packPanels(format, source, panels);
  return { panels, rowScales, values: dequantise(format, source, rowScales) };
}

export interface FloatCase {
  readonly rows: number;
  readonly from: number;
  readonly length: number;
  readonly weight: WeightFormat | FloatFormat;
}

/** Places random weights and their descriptor from `base` on as a loaded model has them; `values`: f32 [rows, length] that they stand for. */
export function placeFloat(
  memory: LinearMemory, base: number, { rows, from, length, weight }: FloatCase, seed: number,
): { readonly values: Float32Array; readonly end: number } {
  const random = lcg(seed);
  const data = base + SEGMENT_BYTES;
  const panels = Math.ceil(rows / 16);
  const bytes = panels * segmentPanelBytes(weight, length);
  const rowScales = Math.ceil((data + bytes) / 64) * 64;
  const end = rowScales + panels * 64;
  if (isGrid(weight)) {
    const grid = randomGrid(weight, rows, length, random);
    memory.u8.set(grid.panels, data);
    writeFloatRow(memory, base, { from, length, weight, data, rowScales: grid.rowScales ? rowScales : 0 });
    if (grid.rowScales) memory.i32.fill(0, rowScales / 4, end / 4).set(packRowScales(grid.rowScales), rowScales / 4);
    repackU6(memory, base, 1, 0, panels);
    return { values: grid.values, end };
  }
  const values = Float32Array.from({ length: rows * length }, () => Math.round((random() * 2 - 1) * 1024) / 1024); // exact in 16 bits
  packFloatPanels(values, rows, length, memory.u8.subarray(data, data + bytes), weight.bits);
  writeFloatRow(memory, base, { from, length, weight, data, rowScales: 0 });
  return { values, end };
}
