import * as v from 'valibot';
import type { ByteDirectory } from '../core/bytes.ts';
import { sha256 } from '../core/digest.ts';
import { TetradError } from '../core/errors.ts';
import { describeIssue } from './formats.ts';
import { FORMAT_VERSION, SHARD_BYTES, type ModelImage, type Piece } from '../models/image.ts';
import { inconsistency } from './check.ts';
import { invalid } from './invalid.ts';
import { PermutationCheck } from './permutations.ts';
import { MANIFEST_FILE, modelJson, shardName, type ModelJson, type Shard } from './schema.ts';
import { checkTokenizer } from './tokenizer-form.ts';

/** While one shard is hashed, the next is read and hashed: digests run on threads of the platform's own, and take longer than reading. */
const PARALLEL = 2;

/** Most of `model.json` is the tokenizer: 0.6 MB for SmolLM2, 33 MB if a `tokenizer.json` as large as Gemma's has no compact form. */
const MAX_MANIFEST = 128 * 1024 * 1024;

async function readManifestBytes(dir: ByteDirectory, file: string, signal?: AbortSignal): Promise<Uint8Array> {
  const source = await dir.open(MANIFEST_FILE);
  try {
    if (source.size > MAX_MANIFEST) throw invalid(file, `it has ${source.size} bytes, needed are at most ${MAX_MANIFEST}`);
    const bytes = new Uint8Array(source.size);
    await source.read(0, bytes, signal);
    return bytes;
  } finally {
    await source.close?.();
  }
}

/** Bytes decoded at once: engines hold several times as much meanwhile, and some keep it. */
const DECODE_BYTES = 16 * 1024;

/** Throws for what is no UTF-8. */
function decode(bytes: Uint8Array): string {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text = '';
  for (let at = 0; at < bytes.length; at += DECODE_BYTES) text += decoder.decode(bytes.subarray(at, at + DECODE_BYTES), { stream: true });
  return text + decoder.decode();
}

function parseModelJson(file: string, bytes: Uint8Array): ModelJson {
  let value: unknown;
  try {
    value = JSON.parse(decode(bytes));
  } catch (cause) {
    throw invalid(file, 'it is not JSON in UTF-8', { cause });
  }
  const head = v.safeParse(v.object({ format: v.literal('tetrad'), version: v.pipe(v.number(), v.safeInteger(), v.minValue(1)) }), value);
  if (!head.success) throw invalid(file, describeIssue(head.issues));
  if (head.output.version > FORMAT_VERSION) {
    throw new TetradError('unsupported_version', `Cannot read ${file}: its version is ${head.output.version}, this library reads up to ${FORMAT_VERSION}`);
  }
  const result = v.safeParse(modelJson, value);
  if (!result.success) throw invalid(file, describeIssue(result.issues));
  return result.output;
}

/** The shards that a container's `model.json` names, with their sizes and digests. Rejects as `openContainer` does. */
export async function readShards(dir: ByteDirectory, signal?: AbortSignal): Promise<readonly (Shard & { readonly name: string })[]> {
  const file = `${dir.name}/${MANIFEST_FILE}`;
  const { shards } = parseModelJson(file, await readManifestBytes(dir, file, signal));
  return shards.map((shard, index) => ({ ...shard, name: shardName(index) }));
}

/** Reads a shard into `target` and compares its digest; the bytes are hashed where they lie, if digests take such memory. */
async function readShard(dir: ByteDirectory, index: number, shard: Shard, target: Uint8Array, signal?: AbortSignal): Promise<void> {
  const name = shardName(index);
  const source = await dir.open(name, shard.bytes);
  try {
    if (source.size !== shard.bytes) throw invalid(`${dir.name}/${name}`, `it has ${source.size} bytes, needed are ${shard.bytes}`);
    await source.read(0, target, signal);
  } finally {
    await source.close?.();
  }
  const digest = await sha256(target);
  if (digest === shard.sha256) return;
  throw new TetradError('digest_mismatch', `Cannot read ${dir.name}/${name}: its SHA-256 is ${digest}, needed is ${shard.sha256}`);
}

/**
 * Opens a container. Only `model.json` is read; each piece is a shard, read straight into its target.
 * Rejects with `not_found`, `unsupported_version` (a newer container) or `invalid_file`; a piece with `digest_mismatch` or `invalid_file`.
 */
export async function openContainer(dir: ByteDirectory, signal?: AbortSignal): Promise<ModelImage> {
  const file = `${dir.name}/${MANIFEST_FILE}`;
  const json = parseModelJson(file, await readManifestBytes(dir, file, signal));
  const problem = inconsistency(json);
  if (problem) throw invalid(file, problem);
  const { shards, ...manifest } = json;
  checkTokenizer(manifest.tokenizer, file);
  return {
    manifest,
    parallel: PARALLEL,
    cuts: shards.map(({ sha256: digest }) => digest),
    *pieces(): Iterable<Piece> {
      const permutations = new PermutationCheck(manifest);
      for (const [index, shard] of shards.entries()) {
        const offset = index * SHARD_BYTES;
        const fill = async (target: Uint8Array, stop?: AbortSignal): Promise<void> => {
          await readShard(dir, index, shard, target, stop ?? signal);
          const wrong = permutations.see(offset, target);
          if (wrong) throw invalid(`${dir.name}/${shardName(index)}`, `the permutation of ${wrong} is none`);
        };
        yield { offset, bytes: shard.bytes, fill };
      }
    },
    close: async () => {},
  };
}
