import type { CopyOptions, ModelImage, Piece } from '../models/image.ts';
import { scatter, together, type Region } from './regions.ts';

/** Straight into its place, or where it lies in several by way of a copy. */
async function fillPiece(piece: Piece, regions: readonly Region[], signal: AbortSignal | undefined): Promise<void> {
  const place = together(regions, piece.offset, piece.offset + piece.bytes);
  const bytes = place ?? new Uint8Array(piece.bytes);
  await piece.fill(bytes, signal);
  if (!place) scatter(regions, piece.offset, bytes);
}

/** Streams an image to where it is to lie, as many pieces at once as it allows. After an error, no piece is begun, and those begun are waited for. */
export async function fill(image: ModelImage, regions: readonly Region[], { signal, onProgress }: CopyOptions): Promise<void> {
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
        await fillPiece(piece, regions, signal);
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
