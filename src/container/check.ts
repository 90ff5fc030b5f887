import { PANEL } from '../formats/descriptor.ts';
import { padded, segmentPanelBytes } from '../formats/layout.ts';
import { ROW_SCALE_BYTES } from '../formats/row-scales.ts';
import { IMAGE_ALIGNMENT, type ArrayRef, type Linear } from '../models/image.ts';
import { linearSpecs, vectorNames, type LinearSpec } from '../models/sites.ts';
import { SHARD_BYTES, type ModelJson } from './schema.ts';

/** An array of the image and the size that the model's shape gives it. */
type Expected = readonly [what: string, ref: ArrayRef, bytes: number];

/** What is wrong with a linear's segments, or null; adds its arrays to `arrays`. */
function linearProblem(spec: LinearSpec, linear: Linear, arrays: Expected[]): string | null {
  const { rows, cols, permute, segments } = linear;
  if (rows !== spec.rows || cols !== spec.cols) return `has shape [${rows}, ${cols}], needed is [${spec.rows}, ${spec.cols}]`;
  if (permute && spec.order !== 'gather') return 'has a permutation, and its input cannot be gathered';
  if (permute) arrays.push([`the permutation of ${spec.name}`, permute, cols * 4]);
  let end = 0;
  for (const { k, weight, act, data, rowScales } of segments) {
    const [from, to] = k;
    if (from !== end || to <= from || to > cols || from % PANEL !== 0) return `has a segment of channels ${from} to ${to} where ${end} of ${cols} are covered`;
    end = to;
    if (weight.bits === 32 ? act || rowScales || segments.length > 1 : !act || act.block % weight.block !== 0) return `has formats in channels ${from} to ${to} that do not go together`;
    if (weight.bits !== 32 && (weight.scale === 'u8') !== (rowScales !== undefined)) return `has row scales in channels ${from} to ${to} where its format has none, or none where it has`;
    arrays.push([`${spec.name} from channel ${from}`, data, (padded(rows) / PANEL) * segmentPanelBytes(weight, to - from)]);
    if (rowScales) arrays.push([`the row scales of ${spec.name} from channel ${from}`, rowScales, padded(rows) * ROW_SCALE_BYTES]);
  }
  return end === cols ? null : `covers ${end} of ${cols} channels`;
}

/** What is wrong with names that a table should have, or null. */
function namesProblem(kind: string, found: object, needed: readonly string[]): string | null {
  const missing = needed.find((name) => !Object.hasOwn(found, name));
  if (missing) return `${kind} ${missing} is missing`;
  const extra = Object.keys(found).find((name) => !needed.includes(name));
  return extra === undefined ? null : `${kind} ${JSON.stringify(extra.slice(0, 60))} is not part of the model`;
}

/** Arrays must lie inside, one after another, with at most padding between them. */
function arraysProblem(arrays: readonly Expected[], bytes: number): string | null {
  const outside = arrays.find(([, ref, size]) => ref.offset + size > bytes);
  if (outside) return `${outside[0]} lies at ${outside[1].offset} in an image of ${bytes} bytes`;
  let end = 0;
  for (const [what, ref, size] of arrays.toSorted(([, a], [, b]) => a.offset - b.offset)) {
    if (ref.bytes !== size) return `${what} has ${ref.bytes} bytes, needed are ${size}`;
    if (ref.offset < end || ref.offset - end >= IMAGE_ALIGNMENT) return `${what} lies at ${ref.offset} where the array before ends at ${end}`;
    end = ref.offset + size;
  }
  return bytes >= end && bytes - end < IMAGE_ALIGNMENT ? null : `the image has ${bytes} bytes where its arrays end at ${end}`;
}

function shardsProblem({ shards, bytes }: ModelJson): string | null {
  const short = shards.findIndex((shard, i) => i < shards.length - 1 && shard.bytes !== SHARD_BYTES);
  if (short >= 0) return `shard ${short} has ${shards[short]!.bytes} bytes, needed are ${SHARD_BYTES} in all but the last`;
  const total = shards.reduce((sum, shard) => sum + shard.bytes, 0);
  return total === bytes ? null : `its shards hold ${total} bytes, its image ${bytes}`;
}

/** The first thing that a `model.json` of the right form says that cannot be true, or null. */
export function inconsistency(json: ModelJson): string | null {
  const { config, linears, vectors, tokenizer, bytes } = json;
  const { heads, kvHeads, headDim, rope } = config;
  if (heads % kvHeads !== 0) return `config.heads is ${heads} over ${kvHeads} key-value heads`;
  if (rope.factors && rope.factors.length !== headDim / 2) return `config.rope.factors has ${rope.factors.length} values for heads of ${headDim} channels`;
  if (tokenizer.bos !== null && tokenizer.bos >= config.vocab) return `tokenizer.bos is ${tokenizer.bos} in a vocabulary of ${config.vocab}`;
  const specs = linearSpecs(config);
  const names = namesProblem('linear', linears, specs.map((spec) => spec.name)) ?? namesProblem('vector', vectors, vectorNames(config));
  if (names) return names;
  const arrays: Expected[] = vectorNames(config).map((name) => [name, vectors[name]!, config.hidden * 4]);
  for (const spec of specs) {
    const problem = linearProblem(spec, linears[spec.name]!, arrays);
    if (problem) return `${spec.name} ${problem}`;
  }
  return arraysProblem(arrays, bytes) ?? shardsProblem(json);
}
