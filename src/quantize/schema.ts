import * as v from 'valibot';
import { actFormat, clip as clipRatio, floatFormat, kvFormat, weightFormat } from '../container/formats.ts';
import { SITES } from '../models/sites.ts';

/*
 * What a recipe may say. Each block of a method is one schema here and one file under `steps/` or `rounding/`; a method is a row of data (`recipes/`).
 */

/** The source's own grid: its bits, block and kind of zero, with f16 scales. */
const sourceFormat = v.strictObject({ bits: v.literal('source') });
const weight = v.variant('bits', [weightFormat, floatFormat, sourceFormat]);
/** f32 activations. */
const floatAct = v.strictObject({ bits: v.literal(32) });
const act = v.variant('bits', [actFormat, floatAct]);

const BLOCK_SITES = ['attn.qkv', 'attn.o', 'mlp.gate_up', 'mlp.down'] as const;
const blockSites = v.pipe(v.array(v.picklist(BLOCK_SITES)), v.minLength(1));
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const count = (least: number, most: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most));
const exponent = v.pipe(v.number(), v.minValue(0), v.maxValue(1));

/**
 * Hadamard rotations (Ashkboos et al., QuaRot, 2024). `residual`: hidden states, norms fused into the linears that follow. `heads`: values, head by
 * head, and the input of `attn.o`. `online`: inputs that the runtime multiplies itself, their whole width.
 */
const rotate = v.strictObject({
  kind: v.literal('rotate'),
  residual: v.boolean(),
  heads: v.boolean(),
  online: v.array(v.picklist(['attn.o', 'mlp.down'] as const)),
});

/** How a channel's factor follows from the largest magnitudes of its activations and of its weights. */
const smoothRule = v.variant('by', [
  /** max|X|^activations / max|W|^weights (Xiao et al., SmoothQuant, 2022). */
  v.strictObject({ by: v.literal('power'), activations: exponent, weights: exponent }),
  /** Only the largest `share` of the channels, down to the largest of the others (Zhang et al., DGQ, 2023). */
  v.strictObject({ by: v.literal('percentile'), share: v.pipe(v.number(), v.gtValue(0), v.maxValue(0.5)) }),
  /** `steps` powers of max|X|, with 1 - power or 0 of max|W|: the one with the least error of the quantised linears' outputs. */
  v.strictObject({ by: v.literal('search'), steps: count(1, 100) }),
]);
const smooth = v.strictObject({ kind: v.literal('smooth'), sites: blockSites, rule: smoothRule });

/** Keys divided by max|K|^power, queries multiplied: one factor for a RoPE pair and all heads that share a key (Lin et al., QServe, 2024). */
const smoothKeys = v.strictObject({ kind: v.literal('smoothKeys'), power: exponent });

/**
 * Input channels sorted, so that a block holds channels of one magnitude: by mean square, by largest magnitude, or by K-means clusters of their
 * (maximum, minimum) (Yuan et al., RPTQ, 2023). Default: all sites of the blocks.
 */
const reorder = v.strictObject({
  kind: v.literal('reorder'),
  by: v.picklist(['energy', 'absmax', 'ranges']),
  sites: v.exactOptional(blockSites),
});

/**
 * Activation blocks that get another width; channels are permuted so that they come last (COMET: Towards Practical W4A4KV4 LLMs Serving, ASPLOS 2025).
 * `share`: that part of all blocks. `threshold`: those with a channel above so many times the median channel. `over`: whether the share holds for each
 * site of each layer, or as a share of work for the model as a whole. `by`: errors of outputs, or these scaled by what the model's predictions lose where
 * all blocks of a linear have the recipe's width, measured linear by linear.
 */
const blocks = v.strictObject({
  kind: v.literal('blocks'),
  share: v.exactOptional(share),
  threshold: v.exactOptional(v.pipe(v.number(), v.gtValue(1))),
  over: v.exactOptional(v.picklist(['site', 'model'])),
  by: v.exactOptional(v.picklist(['error', 'loss'])),
  act: v.strictObject({ bits: v.picklist([4, 8]), clip: clipRatio }),
});

/** The share of the input channels with the largest magnitudes, in other formats, last in the order and rounded last (Atom, 2023; QUIK, 2023). */
const columns = v.strictObject({
  kind: v.literal('columns'),
  share,
  weight: v.variant('bits', [weightFormat, floatFormat]),
  act,
  sites: v.exactOptional(blockSites),
});

/** Single weights as f16 beside the grid: of each 16 rows, the share whose rounding costs most (Dettmers et al., SpQR, 2023). */
const sparse = v.strictObject({ kind: v.literal('sparse'), share: v.pipe(v.number(), v.gtValue(0), v.maxValue(0.1)) });

/** The best approximation of `rank`, as f16 factors beside the grid, alternately refitted with the rounding (Li et al., SVDQuant, 2024). */
const lowRank = v.strictObject({ kind: v.literal('lowRank'), rank: v.pipe(count(16, 256), v.multipleOf(16)), iterations: count(1, 100) });

/**
 * Rounding column by column, each error made up for by the columns that follow (Frantar et al., GPTQ, 2022). `damping`: of the mean of the Hessian's
 * diagonal. `order`: columns as they lie, by descending activation energy, or whole blocks by descending energy and so inside them. `groups`: grids fitted to
 * the weights as they were, or as they are when their block begins. `inputs`: of layers after unquantised or quantised ones. `attention`: the Hessian of
 * values is that of the inputs after the attention average. `sweeps`: rounds of coordinate descent and of refitted grids afterwards. `skip`: tokens at the
 * start of each sequence that moments leave out: what attention rests on is hundreds of times larger than all else. `correction`: the share of what quantised
 * inputs differ by that the weights make up for before they are rounded (`rounding/correct.ts`). `noise`: the rounding of the inputs themselves counts, as
 * errors that depend on nothing else.
 */
const compensated = v.strictObject({
  kind: v.literal('gptq'),
  damping: v.pipe(v.number(), v.gtValue(0), v.maxValue(10)),
  order: v.picklist(['given', 'energy', 'blocks']),
  groups: v.picklist(['static', 'updated']),
  inputs: v.picklist(['exact', 'quantised']),
  attention: v.boolean(),
  sweeps: count(0, 20),
  skip: count(0, 64),
  correction: share,
  noise: v.exactOptional(v.boolean()),
});
const rounding = v.union([v.picklist(['nearest', 'source']), compensated]);

/** How the range of a block's grid is found. */
const clip = v.variant('by', [
  /** From minimum to maximum, times `ratio`. */
  v.strictObject({ by: v.literal('range'), ratio: clipRatio }),
  /** The least squared error of the weights: rounds of nearest codes and refitted grid. */
  v.strictObject({ by: v.literal('leastSquares') }),
  /** Both ends of the range moved in on their own, by up to a fifth: the least squared error, weighted by what a channel's errors cost. */
  v.strictObject({ by: v.literal('ends') }),
  /** `steps` smaller ranges: the least sum of |error|^power. */
  v.strictObject({ by: v.literal('error'), power: v.pipe(v.number(), v.minValue(1), v.maxValue(4)), steps: count(1, 100) }),
  /** The same by the error of the block's part of the output on calibration inputs. */
  v.strictObject({ by: v.literal('output'), steps: count(1, 100) }),
]);

/** [first, last]; negative numbers count from the end: -1 is the last layer. */
const layerRange = v.strictTuple([count(-1024, 1023), count(-1024, 1023)]);

/** Formats of one site, of some layers or all, instead of the recipe's own; later rules win. */
const siteRule = v.strictObject({
  match: v.strictObject({ site: v.picklist(SITES), layers: v.exactOptional(layerRange) }),
  weight: v.exactOptional(weight),
  act: v.exactOptional(act),
  rounding: v.exactOptional(rounding),
  clip: v.exactOptional(clip),
});

export const recipeSchema = v.strictObject({
  name: v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/)),
  description: v.string(),
  /** Where the method comes from; null: common practice. */
  paper: v.nullable(v.string()),
  /** In the order in which they are applied. */
  transforms: v.pipe(v.array(v.variant('kind', [rotate, smooth, smoothKeys, reorder])), v.maxLength(8)),
  /** What leaves the main path; at most one of each kind. */
  split: v.pipe(v.array(v.variant('kind', [blocks, columns, sparse, lowRank])), v.maxLength(4)),
  rounding,
  /** Default: by least squares. */
  clip: v.exactOptional(clip),
  weight,
  act,
  kv: kvFormat,
  sites: v.pipe(v.array(siteRule), v.maxLength(256)),
  /** How much text to calibrate with, if the user does not say: sequences of so many tokens. */
  calibration: v.exactOptional(v.strictObject({ sequences: count(1, 4096), length: count(16, 65536) })),
});

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** How a model becomes a packed one: plain data, JSON-serialisable, frozen. Stored in containers as provenance. */
export type Recipe = DeepReadonly<v.InferOutput<typeof recipeSchema>>;

export type Transform = Recipe['transforms'][number];
export type Split = Recipe['split'][number];
export type Rounding = Recipe['rounding'];
export type Clip = NonNullable<Recipe['clip']>;
/** One of the transforms or splits by its kind. */
export type Block<K extends (Transform | Split)['kind']> = Extract<Transform | Split, { readonly kind: K }>;
/** A site inside the blocks. */
export type BlockSite = (typeof BLOCK_SITES)[number];
