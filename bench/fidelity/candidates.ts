import type { Evaluator } from '../../src/evaluate/evaluator.ts';
import { evaluatorOf } from '../../src/evaluate/evaluator.ts';
import type { OpenBackend } from '../../src/backends/backend.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import type { KvFormat } from '../../src/formats/number-format.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import { withOverrides } from '../../src/quantize/overrides.ts';
import type { Recipe } from '../../src/quantize/recipe.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { createDecoder } from '../../src/runtime/decoder.ts';
import { quantizeStore } from '../../src/surfaces/checkpoint.ts';

/** What all others are compared with. */
export const BASE = 'f32:32';

/** `recipe`, `recipe:kv` or `recipe:kv,path=value,...`, such as `w4a8:8,weight.block=64` or `w4a8:4,kv.keyGroup=64`. */
export function parseCandidate(text: string): { readonly recipe: Recipe; readonly kv: KvFormat } {
  const [head, ...settings] = text.split(',') as [string, ...string[]];
  const [name, kv] = head.split(':') as [string, string?];
  const parsed = withOverrides(recipe(name), kv === undefined ? settings : [`kv=${kv}`, ...settings]);
  return { recipe: parsed, kv: parsed.kv };
}

export interface LoadedCandidate {
  readonly evaluator: Evaluator;
  /** Bytes of the packed image: weights, scales, vectors. */
  readonly bytes: number;
}

export async function loadCandidate(store: WeightStore, text: string, context: number, open: OpenBackend): Promise<LoadedCandidate> {
  const { recipe: chosen, kv } = parseCandidate(text);
  const image = await quantizeStore(store, chosen, { open });
  const decoder = await createDecoder(image, open, { context, kv, logitRows: PAGE });
  return { evaluator: evaluatorOf(decoder), bytes: image.manifest.bytes };
}
