import type { ModelConfig } from '../../src/models/config.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import { tinyStore } from './tiny-model.ts';

/** The model of test/oracles/recipes_model.py: `tinyStore` with outlier channels behind norms and in front of `mlp.down`. */
const OUTLIER_CONFIG: Partial<ModelConfig> = { layers: 2, hidden: 144, heads: 6, kvHeads: 2, headDim: 24, ffn: 160, vocab: 136 };

export function outlierStore(): WeightStore {
  const store = tinyStore({ config: OUTLIER_CONFIG });
  return {
    ...store,
    tensor: (name) => {
      const tensor = store.tensor(name);
      const factor = /(attn|mlp)\.norm$/.test(name)
        ? (_row: number, channel: number): number => (channel % 24 === 5 ? 8 : 1)
        : name.endsWith('mlp.up') ? (row: number): number => (row % 40 === 7 ? 4 : 1) : null;
      if (!factor) return tensor;
      const read = async (from: number, to: number, signal?: AbortSignal): Promise<Float32Array> =>
        (await tensor.read(from, to, signal)).map((value, i) => value * factor(from + Math.floor(i / tensor.cols), i % tensor.cols));
      return { ...tensor, read };
    },
  };
}
