import * as v from 'valibot';
import { actFormat, floatFormat, kvFormat, weightFormat } from './formats.ts';
import { ARCHITECTURES } from '../models/arch.ts';
import { CONFIG_LIMITS as LIMITS } from '../models/config.ts';
import { IMAGE_ALIGNMENT, SHARD_BYTES } from '../models/image.ts';
import { packedTokenizer } from './tokenizer-form.ts';

export const MANIFEST_FILE = 'model.json';
/** `00.bin`, `01.bin`, ... */
export const shardName = (index: number): string => `${String(index).padStart(2, '0')}.bin`;

const count = (most: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(most));
const natural = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const finite = v.pipe(v.number(), v.finite());

const config = v.strictObject({
  arch: v.picklist(ARCHITECTURES.map((arch) => arch.id)),
  name: v.string(),
  layers: count(LIMITS.layers),
  hidden: count(LIMITS.width),
  heads: count(LIMITS.heads),
  kvHeads: count(LIMITS.heads),
  headDim: v.pipe(count(LIMITS.headDim), v.multipleOf(8)),
  ffn: count(LIMITS.width),
  vocab: count(LIMITS.vocab),
  context: count(LIMITS.context),
  normEps: v.pipe(finite, v.minValue(0)),
  rope: v.strictObject({ theta: v.pipe(finite, v.gtValue(0)), factors: v.nullable(v.array(v.pipe(finite, v.gtValue(0)))) }),
  tied: v.boolean(),
});

const array = v.strictObject({ offset: v.pipe(natural, v.multipleOf(IMAGE_ALIGNMENT)), bytes: count(Number.MAX_SAFE_INTEGER) });

const weight = v.variant('bits', [weightFormat, floatFormat]);

const segment = v.strictObject({
  k: v.strictTuple([natural, natural]),
  weight,
  act: v.exactOptional(actFormat),
  data: array,
  rowScales: v.exactOptional(array),
  actScales: v.exactOptional(array),
});

const branch = v.variant('kind', [
  v.strictObject({ kind: v.literal('lowRank'), rank: v.pipe(count(4096), v.multipleOf(16)), bits: v.picklist([16, 32]), down: array, up: array }),
  v.strictObject({ kind: v.literal('sparse'), starts: array, entries: array }),
]);

const linear = v.strictObject({
  rows: count(Number.MAX_SAFE_INTEGER),
  cols: count(LIMITS.width),
  rotate: v.exactOptional(v.literal(true)),
  permute: v.exactOptional(array),
  segments: v.pipe(v.array(segment), v.minLength(1)),
  branches: v.exactOptional(v.array(branch)),
});

/** `model.json`, versions 1 to 3: the manifest of the image and the shards that it is cut into. `version` is checked before. */
export const modelJson = v.strictObject({
  format: v.literal('tetrad'),
  version: v.number(),
  config,
  tokenizer: packedTokenizer,
  linears: v.record(v.string(), linear),
  vectors: v.record(v.string(), array),
  bytes: count(Number.MAX_SAFE_INTEGER),
  rotated: v.exactOptional(v.literal(true)),
  kv: kvFormat,
  provenance: v.record(v.string(), v.unknown()),
  /** In order, all but the last of SHARD_BYTES; SHA-256 in lower-case hexadecimal. */
  shards: v.array(v.strictObject({ bytes: count(SHARD_BYTES), sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) })),
});

export type ModelJson = v.InferOutput<typeof modelJson>;
export type Shard = ModelJson['shards'][number];
