import { TetradError } from '../core/errors.ts';
import type { WeightStore, WeightTensor } from '../models/weights.ts';
import { applyFolds, mergeFolds, mixesRows, type Fold, type Folds } from './folds.ts';

/** Whole tensors that are kept: rows that mix are computed all at once. */
const KEPT = 2;

/** A store whose tensors are read through folds: in f64, rounded to f32 once however many are put on top of each other. */
class FoldedStore implements WeightStore {
  readonly source: WeightStore;
  readonly folds: Folds;
  /** By name, the least recently used first. */
  readonly #kept = new Map<string, Float32Array>();

  constructor(source: WeightStore, folds: Folds) {
    this.source = source;
    this.folds = folds;
  }

  get config(): WeightStore['config'] {
    return this.source.config;
  }

  get tokenizer(): WeightStore['tokenizer'] {
    return this.source.tokenizer;
  }

  get provenance(): WeightStore['provenance'] {
    return this.source.provenance;
  }

  has(name: string): boolean {
    return this.source.has(name);
  }

  tensor(name: string): WeightTensor {
    const tensor = this.source.tensor(name);
    const folds = this.folds.get(name);
    if (!folds) return tensor;
    const { rows, cols, type } = tensor;
    return {
      name, rows, cols, type, grid: null,
      read: async (from, to, signal) => {
        if (!mixesRows(folds)) return folded(tensor, folds, from, to, signal);
        const whole = this.#kept.get(name) ?? await folded(tensor, folds, 0, rows, signal);
        this.#keep(name, whole);
        return whole.slice(from * cols, to * cols);
      },
      readGrid: async () => {
        throw new TetradError('unsupported_type', `Cannot read the grid of ${JSON.stringify(name)}: its values are transformed, needed is a tensor as its source holds it`);
      },
    };
  }

  #keep(name: string, whole: Float32Array): void {
    this.#kept.delete(name);
    this.#kept.set(name, whole);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT) this.#kept.delete(oldest!);
  }

  close(): Promise<void> {
    this.#kept.clear();
    return this.source.close();
  }
}

async function folded(tensor: WeightTensor, folds: readonly Fold[], from: number, to: number, signal?: AbortSignal): Promise<Float32Array> {
  const values = Float64Array.from(await tensor.read(from, to, signal));
  applyFolds(values, tensor.cols, from, folds);
  return Float32Array.from(values);
}

/** A view of a store through folds, after those that it has already. Closing the view closes the store. */
export const foldStore = (store: WeightStore, folds: Folds): WeightStore =>
  store instanceof FoldedStore ? new FoldedStore(store.source, mergeFolds(store.folds, folds)) : new FoldedStore(store, folds);
