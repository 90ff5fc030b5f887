import { canonicalJson } from '../core/canonical-json.ts';
import { sha256 } from '../core/digest.ts';
import type { Manifest } from './image.ts';

/**
 * Identity of a packed model for what depends on its numbers, such as saved caches: SHA-256 over what the forward pass reads of its manifest and the digests
 * of its image's cuts of SHARD_BYTES. Tokenizer and provenance are not in it. A container and the image that it was written from have the same.
 */
export function modelDigest({ config, linears, vectors, rotated }: Manifest, cuts: readonly string[]): Promise<string> {
  return sha256(new TextEncoder().encode(canonicalJson({ config, linears, vectors, rotated, cuts })));
}
