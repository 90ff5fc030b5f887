import type { ByteSource } from '../../core/bytes.ts';

const BLOCK = 4 * 1024 * 1024;
const MOST_BLOCKS = 16;

/** A source read in blocks of 4 MiB, of which the last 64 MiB stay in memory: many small reads become few requests. */
export function readAhead(source: ByteSource): ByteSource {
  const blocks = new Map<number, Promise<Uint8Array>>();
  const fetched = async (index: number, signal: AbortSignal | undefined): Promise<Uint8Array> => {
    const bytes = new Uint8Array(Math.min(BLOCK, source.size - index * BLOCK));
    await source.read(index * BLOCK, bytes, signal);
    return bytes;
  };
  const block = (index: number, signal: AbortSignal | undefined): Promise<Uint8Array> => {
    const known = blocks.get(index) ?? fetched(index, signal);
    blocks.delete(index);
    blocks.set(index, known); // the last one used is the last one dropped
    known.catch(() => blocks.delete(index));
    if (blocks.size > MOST_BLOCKS) blocks.delete(blocks.keys().next().value!);
    return known;
  };
  return {
    ...source,
    async read(offset, target, signal) {
      if (target.length >= BLOCK || offset + target.length > source.size) return source.read(offset, target, signal);
      for (let at = offset; at < offset + target.length; ) {
        const index = Math.floor(at / BLOCK);
        const from = at - index * BLOCK;
        const bytes = await block(index, signal);
        const taken = bytes.subarray(from, from + offset + target.length - at);
        target.set(taken, at - offset);
        at += taken.length;
      }
    },
  };
}
