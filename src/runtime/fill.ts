import type { CopyOptions, ModelImage } from '../models/image.ts';

/** Streams an image to where it is to lie, as many pieces at once as it allows. After an error, no piece is begun, and those begun are waited for. */
export async function fill(image: ModelImage, target: Uint8Array, { signal, onProgress }: CopyOptions): Promise<void> {
  const pieces = image.pieces();
  const iterator = Symbol.asyncIterator in pieces ? pieces[Symbol.asyncIterator]() : pieces[Symbol.iterator]();
  let loaded = 0;
  let going = true;
  const lane = async (): Promise<void> => {
    try {
      while (going) {
        const { done, value: piece } = await iterator.next();
        if (done) return;
        signal?.throwIfAborted();
        await piece.fill(target.subarray(piece.offset, piece.offset + piece.bytes), signal);
        loaded += piece.bytes;
        onProgress?.({ stage: 'load', loaded, total: image.manifest.bytes });
      }
    } catch (error) {
      going = false;
      await iterator.return?.();
      throw error;
    }
  };
  for (const result of await Promise.allSettled(Array.from({ length: image.parallel ?? 1 }, lane))) {
    if (result.status === 'rejected') throw result.reason;
  }
}
