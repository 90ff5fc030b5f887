import { TetradError } from '../core/errors.ts';
import { PANEL } from '../formats/descriptor.ts';
import type { LinearSpec } from '../models/sites.ts';
import type { SourceGrid, WeightStore, WeightTensor } from '../models/weights.ts';

/** Weights that are read and held at once: 16 MiB of f32. Linears up to this size are read once for all of their arrays. */
const CHUNK = 4 * 1024 * 1024;

/** Rows of a linear that make up a chunk: whole panels. */
export const chunkRows = (cols: number): number => Math.max(1, Math.floor(CHUNK / cols / PANEL)) * PANEL;

/** Rows of a tensor in the order of `indices`; one read where they lie close together, else row by row. */
async function readPicked(tensor: WeightTensor, indices: Int32Array, signal?: AbortSignal): Promise<Float32Array> {
  const { cols } = tensor;
  const low = indices.reduce((a, b) => Math.min(a, b));
  const high = indices.reduce((a, b) => Math.max(a, b)) + 1;
  const picked = new Float32Array(indices.length * cols);
  const near = high - low <= 2 * indices.length ? await tensor.read(low, high, signal) : null;
  for (let i = 0; i < indices.length; i++) {
    const row = indices[i]!;
    picked.set(near ? near.subarray((row - low) * cols, (row - low + 1) * cols) : await tensor.read(row, row + 1, signal), i * cols);
  }
  return picked;
}

/** Throws `invalid_file` where a tensor's values are not finite. */
export function checkFinite(name: string, values: Float32Array): void {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Math.abs(values[i]!); // of f32 values: no overflow in f64
  if (!Number.isFinite(sum)) throw new TetradError('invalid_file', `Cannot quantise ${JSON.stringify(name)}: it holds values that are not finite, needed are finite weights`);
}

/** Reads rows of linears: their tensors stacked, in the order that another linear folds into them. Keeps the last small linear. */
export class RowReader {
  readonly #store: WeightStore;
  #last: { readonly name: string; readonly order: Int32Array | null; readonly values: Float32Array } | null = null;

  constructor(store: WeightStore) {
    this.#store = store;
  }

  /** Calls `visit` with each tensor's share [from, to) of rows [first, last). */
  async #parts(spec: LinearSpec, first: number, last: number, visit: (tensor: WeightTensor, from: number, to: number) => Promise<void>): Promise<void> {
    let base = 0;
    for (const name of spec.tensors) {
      const tensor = this.#store.tensor(name);
      const [from, to] = [Math.max(0, first - base), Math.min(tensor.rows, last - base)];
      if (from < to) await visit(tensor, from, to);
      base += tensor.rows;
    }
  }

  /** Rows [first, last) as f32 [last - first, cols]. `order`: row i of each tensor is its row order[i]; null: as stored. */
  async values(spec: LinearSpec, first: number, last: number, order: Int32Array | null, signal?: AbortSignal): Promise<Float32Array> {
    const { name, rows, cols } = spec;
    const whole = rows * cols <= CHUNK;
    if (this.#last?.name !== name || this.#last.order !== order) this.#last = null;
    const cached = this.#last?.values;
    if (cached) return cached.subarray(first * cols, last * cols);
    const [from, to] = whole ? [0, rows] : [first, last];
    const values = new Float32Array((to - from) * cols);
    let at = 0;
    await this.#parts(spec, from, to, async (tensor, a, b) => {
      const part = order ? await readPicked(tensor, order.subarray(a, b), signal) : await tensor.read(a, b, signal);
      checkFinite(tensor.name, part);
      values.set(part, at);
      at += part.length;
    });
    if (!whole) return values;
    this.#last = { name, order, values };
    return values.subarray(first * cols, last * cols);
  }

  /** The source grid of rows [first, last); all tensors must have the same kind of grid. */
  async grid(spec: LinearSpec, first: number, last: number, signal?: AbortSignal): Promise<SourceGrid> {
    const parts: SourceGrid[] = [];
    await this.#parts(spec, first, last, async (tensor, a, b) => void parts.push(await tensor.readGrid(a, b, signal)));
    const [head] = parts as [SourceGrid, ...SourceGrid[]];
    if (parts.length === 1) return head;
    const join = <T extends Uint8Array | Uint16Array>(target: T, pick: (part: SourceGrid) => T): T => {
      let at = 0;
      for (const part of parts) {
        target.set(pick(part), at);
        at += pick(part).length;
      }
      return target;
    };
    const groups = ((last - first) * spec.cols) / head.group;
    return {
      ...head,
      codes: join(new Uint8Array((last - first) * spec.cols), (part) => part.codes),
      scale: join(new Uint16Array(groups), (part) => part.scale),
      min: head.min && join(new Uint16Array(groups), (part) => part.min!),
    };
  }
}
