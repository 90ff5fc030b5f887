import { TetradError } from '../../core/errors.ts';
import { hadamard, type Hadamard } from '../../core/hadamard.ts';
import { Random } from '../../core/random.ts';
import type { WeightStore } from '../../models/weights.ts';
import { rotated, scaled, type Fold, type Folds } from '../folds.ts';
import { repeatHeads } from '../heads.ts';
import { stepOf, type Recipe } from '../recipe.ts';

/** Of the random signs: any other constant would do. */
const SEED = 0x7e78ad;

/**
 * The rotation of a recipe, folded into the weights; all but `Manifest.rotated` and `Linear.rotate`, which the runtime does. H is a Hadamard matrix, D are
 * random signs, and for y = W (norm * gamma) and h += V a:
 *
 *   residual    h' = H D h        W' = W diag(gamma) D H^T, gamma' = 1        V' = H D V        embed' = embed D, output' = output D
 *   heads       value' = H_head D value                                       V' = V D H_head^T
 *   online      the input times H, after the above                            V' = V D H^T, D in the rows that produce it
 *
 * Tables only change signs: the runtime rotates a row when it has looked it up, and rotates back before the last norm, whose gamma stays.
 * Throws `invalid_recipe` where a width has no Hadamard matrix.
 */
export async function rotate(store: WeightStore, recipe: Recipe): Promise<Folds> {
  const folds = new Map<string, Fold[]>();
  const block = stepOf(recipe, 'rotate');
  if (!block) return folds;
  const { config } = store;
  const { layers, hidden, heads, kvHeads, headDim, ffn } = config;
  const add = (name: string, ...more: Fold[]): void => void folds.set(name, [...(folds.get(name) ?? []), ...more]);
  const matrix = (field: string, width: number, what: string): Hadamard => {
    const found = hadamard(width);
    if (found) return found;
    const path = `transforms.${recipe.transforms.indexOf(block)}.${field}`;
    throw new TetradError('invalid_recipe', `Cannot use recipe ${JSON.stringify(recipe.name)}: ${path} rotates ${what} of ${width} channels, needed is a width with a known Hadamard matrix`);
  };
  const random = Random.seeded(SEED);
  const signs = (width: number): Float64Array => Float64Array.from({ length: width }, () => (random.nextUint32() >>> 31 ? -1 : 1));

  if (block.residual) {
    const by = matrix('residual', hidden, 'hidden states');
    const flips = signs(hidden);
    for (const table of config.tied ? ['embed'] : ['embed', 'output']) add(table, scaled('columns', flips));
    for (let n = 0; n < layers; n++) {
      for (const [norm, readers] of [['attn.norm', ['attn.q', 'attn.k', 'attn.v']], ['mlp.norm', ['mlp.gate', 'mlp.up']]] as const) {
        const gamma = await store.tensor(`layers.${n}.${norm}`).read(0, 1);
        for (const name of readers) add(`layers.${n}.${name}`, scaled('columns', Float64Array.from(gamma, (g, c) => g * flips[c]!)), rotated('columns', by));
        add(`layers.${n}.${norm}`, { kind: 'ones' });
      }
      for (const name of ['attn.o', 'mlp.down']) add(`layers.${n}.${name}`, scaled('rows', flips), rotated('rows', by));
    }
  }

  const head = block.heads ? matrix('heads', headDim, 'heads') : null;
  const attention = block.online.includes('attn.o') ? matrix('online', heads * headDim, 'the input of "attn.o"') : null;
  const down = block.online.includes('mlp.down') ? matrix('online', ffn, 'the input of "mlp.down"') : null;
  for (let n = 0; n < layers; n++) {
    if (head || attention) {
      const flips = signs(kvHeads * headDim);
      add(`layers.${n}.attn.v`, scaled('rows', flips));
      add(`layers.${n}.attn.o`, scaled('columns', repeatHeads(flips, config)));
    }
    if (head) {
      add(`layers.${n}.attn.v`, rotated('rows', head));
      add(`layers.${n}.attn.o`, rotated('columns', head));
    }
    if (attention) add(`layers.${n}.attn.o`, rotated('columns', attention));
    if (down) {
      const flips = signs(ffn);
      add(`layers.${n}.mlp.up`, scaled('rows', flips));
      add(`layers.${n}.mlp.down`, scaled('columns', flips), rotated('columns', down));
    }
  }
  return folds;
}
