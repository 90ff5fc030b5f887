import { sha256 } from '../core/digest.ts';
import { SHARD_BYTES } from '../models/image.ts';

/** Bytes [from, to) of an image, and where they lie. The regions of an image cover it in ascending order without gaps. */
export interface Region {
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

/** An image that lies as it is. */
export const wholeRegion = (bytes: Uint8Array): readonly Region[] => [{ from: 0, to: bytes.length, bytes }];

/** Bytes [from, to) where they lie, if they lie together; null: they do not. */
export function together(regions: readonly Region[], from: number, to: number): Uint8Array | null {
  const region = regions.find((one) => one.from <= from && to <= one.to);
  return region ? region.bytes.subarray(from - region.from, to - region.from) : null;
}

/** Calls `visit` for the part of each region that is in [from, to), and says where in that range it is. */
function eachPart(regions: readonly Region[], from: number, to: number, visit: (part: Uint8Array, at: number) => void): void {
  for (const region of regions) {
    const [start, end] = [Math.max(from, region.from), Math.min(to, region.to)];
    if (start < end) visit(region.bytes.subarray(start - region.from, end - region.from), start - from);
  }
}

/** Copies bytes of the image, from `from` on, to where they are to lie. */
export function scatter(regions: readonly Region[], from: number, bytes: Uint8Array): void {
  eachPart(regions, from, from + bytes.length, (part, at) => part.set(bytes.subarray(at, at + part.length)));
}

/** A copy of bytes [from, to). */
function gathered(regions: readonly Region[], from: number, to: number): Uint8Array {
  const bytes = new Uint8Array(to - from);
  eachPart(regions, from, to, (part, at) => bytes.set(part, at));
  return bytes;
}

/** Digests of an image's cuts of SHARD_BYTES, as a container states those of its shards. */
export async function cutDigests(regions: readonly Region[], signal?: AbortSignal): Promise<string[]> {
  const { to: end } = regions.at(-1)!;
  const digests: string[] = [];
  for (let from = 0; from < end; from += SHARD_BYTES) {
    signal?.throwIfAborted();
    const to = Math.min(end, from + SHARD_BYTES);
    digests.push(await sha256(together(regions, from, to) ?? gathered(regions, from, to)));
  }
  return digests;
}
