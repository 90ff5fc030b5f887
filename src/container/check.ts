import { hadamard } from '../core/hadamard.ts';
import { PANEL } from '../formats/descriptor.ts';
import { floatPanelBytes, padded, segmentPanelBytes } from '../formats/layout.ts';
import { isGrid } from '../formats/number-format.ts';
import { hasRowScales, ROW_SCALE_BYTES } from '../formats/row-scales.ts';
import { actBlocks, IMAGE_ALIGNMENT, integerProblem, SHARD_BYTES, type ArrayRef, type Branch, type Linear, type Segment } from '../models/image.ts';
import { linearSpecs, vectorSizes, type LinearSpec } from '../models/sites.ts';
import type { ModelJson } from './schema.ts';

/** An array of the image and the size that the model's shape gives it. */
type Expected = readonly [what: string, ref: ArrayRef, bytes: number];

/** What is wrong with a segment's formats, or null. */
function formatProblem({ weight, act, rowScales, actScales }: Segment): string | null {
  if (act && !isGrid(weight)) return 'has integer activations and weights without a grid';
  if (act && isGrid(weight)) {
    const problem = integerProblem(weight, act);
    if (problem) return `has ${problem}`;
  }
  if (hasRowScales(weight) !== (rowScales !== undefined)) return 'has row scales where its format has none, or none where it has';
  return (act?.range === 'static') === (actScales !== undefined) ? null : 'has activation scales where its format has none, or none where it has';
}

/** What is wrong with a segment, or null; adds its arrays to `arrays`. */
function segmentProblem({ name, rows }: LinearSpec, segment: Segment, arrays: Expected[]): string | null {
  const { k: [from, to], weight, act, data, rowScales, actScales } = segment;
  const problem = formatProblem(segment);
  if (problem) return `${problem}, in channels ${from} to ${to}`;
  const add = (what: string, ref: ArrayRef | undefined, bytes: number): void => void (ref && arrays.push([`${what}${name} from channel ${from}`, ref, bytes]));
  add('', data, (padded(rows) / PANEL) * segmentPanelBytes(weight, to - from));
  add('the row scales of ', rowScales, padded(rows) * ROW_SCALE_BYTES);
  if (act) add('the activation scales of ', actScales, actBlocks(act, to - from) * 8);
  return null;
}

function branchProblem({ name, rows, cols }: LinearSpec, branch: Branch, arrays: Expected[]): string | null {
  switch (branch.kind) {
    case 'lowRank': {
      const { rank, bits, down, up } = branch;
      arrays.push([`the first factor of ${name}`, down, (rank / PANEL) * floatPanelBytes(cols, bits)]);
      arrays.push([`the second factor of ${name}`, up, (padded(rows) / PANEL) * floatPanelBytes(rank, bits)]);
      return null;
    }
    case 'sparse':
      if (branch.entries.bytes % 4 !== 0 || cols > 0xffff) return `has ${branch.entries.bytes} bytes of single weights in ${cols} channels, needed are 4 for each and at most 65535 channels`;
      arrays.push([`the starts of ${name}`, branch.starts, (rows + 1) * 4], [`the single weights of ${name}`, branch.entries, branch.entries.bytes]);
      return null;
    default:
      return branch satisfies never;
  }
}

/** What is wrong with a linear's segments and branches, or null; adds its arrays to `arrays`. */
function linearProblem(spec: LinearSpec, linear: Linear, arrays: Expected[]): string | null {
  const { rows, cols, permute, rotate, segments, branches = [] } = linear;
  if (rows !== spec.rows || cols !== spec.cols) return `has shape [${rows}, ${cols}], needed is [${spec.rows}, ${spec.cols}]`;
  if (permute && spec.order === null) return 'has a permutation, and its input cannot be gathered';
  if (permute) arrays.push([`the permutation of ${spec.name}`, permute, cols * 4]);
  if (rotate && !hadamard(cols)) return `is rotated, and there is no Hadamard matrix of ${cols}`;
  let end = 0;
  let floats = false;
  for (const segment of segments) {
    const [from, to] = segment.k;
    if (from !== end || to <= from || to > cols || from % PANEL !== 0) return `has a segment of channels ${from} to ${to} where ${end} of ${cols} are covered`;
    if (segment.act && floats) return `has integer activations in channels ${from} to ${to}, behind f32 ones`;
    floats ||= !segment.act;
    end = to;
    const problem = segmentProblem(spec, segment, arrays);
    if (problem) return problem;
  }
  if (end !== cols) return `covers ${end} of ${cols} channels`;
  if (new Set(branches.map(({ kind }) => kind)).size < branches.length) return 'has two branches of one kind';
  for (const branch of branches) {
    const problem = branchProblem(spec, branch, arrays);
    if (problem) return problem;
  }
  return null;
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
  const sizes = vectorSizes(config, json.kv);
  const names = namesProblem('linear', linears, specs.map((spec) => spec.name)) ?? namesProblem('vector', vectors, [...sizes.keys()]);
  if (names) return names;
  if (json.rotated && !hadamard(config.hidden)) return `its hidden states are rotated, and there is no Hadamard matrix of ${config.hidden}`;
  const arrays: Expected[] = [...sizes].map(([name, length]) => [name, vectors[name]!, length * 4]);
  for (const spec of specs) {
    const problem = linearProblem(spec, linears[spec.name]!, arrays);
    if (problem) return `${spec.name} ${problem}`;
  }
  return arraysProblem(arrays, bytes) ?? shardsProblem(json);
}
