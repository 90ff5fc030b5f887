import { sha256 } from '../core/digest.ts';
import { SHARD_BYTES, type CopyOptions, type ModelImage } from '../models/image.ts';
import { MANIFEST_FILE, shardName, type ModelJson, type Shard } from './schema.ts';
import type { DirectorySink } from './sink.ts';
import { packTokenizer } from './tokenizer-form.ts';

async function writeFile(sink: DirectorySink, name: string, bytes: Uint8Array): Promise<void> {
  const file = await sink.create(name);
  try {
    await file.write(bytes);
  } finally {
    await file.close();
  }
}

/** The image as shards, each written when it is full; returns their sizes and digests. */
async function writeShards(image: ModelImage, sink: DirectorySink, { onProgress, signal }: CopyOptions): Promise<Shard[]> {
  const total = image.manifest.bytes;
  const buffer = new Uint8Array(Math.min(SHARD_BYTES, total));
  const shards: Shard[] = [];
  let used = 0;
  let done = 0;
  const flush = async (): Promise<void> => {
    const bytes = buffer.subarray(0, used);
    await writeFile(sink, shardName(shards.length), bytes);
    shards.push({ bytes: used, sha256: await sha256(bytes) });
    used = 0;
  };
  for await (const piece of image.pieces()) {
    signal?.throwIfAborted();
    const fits = piece.bytes <= buffer.length - used;
    const target = fits ? buffer.subarray(used, used + piece.bytes) : new Uint8Array(piece.bytes);
    await piece.fill(target, signal);
    for (let at = 0; at < target.length; ) {
      const taken = Math.min(target.length - at, buffer.length - used);
      if (!fits) buffer.set(target.subarray(at, at + taken), used);
      [at, used] = [at + taken, used + taken];
      if (used === buffer.length) await flush();
    }
    done += piece.bytes;
    onProgress?.({ stage: 'write', loaded: done, total });
  }
  if (used > 0) await flush();
  return shards;
}

/**
 * Writes a packed model: shards of at most 24 MiB cut from its image, then `model.json`, then commits. Whatever fails, an abort included,
 * leaves nothing behind.
 */
export async function writeContainer(image: ModelImage, sink: DirectorySink, options: CopyOptions = {}): Promise<void> {
  try {
    const shards = await writeShards(image, sink, options);
    const json = { ...image.manifest, tokenizer: packTokenizer(image.manifest.tokenizer), shards } satisfies Record<Exclude<keyof ModelJson, 'rotated'>, unknown>;
    await writeFile(sink, MANIFEST_FILE, new TextEncoder().encode(JSON.stringify(json)));
    options.signal?.throwIfAborted();
    await sink.commit();
  } catch (error) {
    await sink.abort();
    throw error;
  }
}
