import type { ModelImage } from '../../src/models/image.ts';

/** All bytes of an image; fails where its pieces leave gaps or do not cover it. */
export async function imageBytes(image: ModelImage): Promise<Uint8Array> {
  const bytes = new Uint8Array(image.manifest.bytes).fill(0xaa);
  let end = 0;
  for await (const piece of image.pieces()) {
    if (piece.offset !== end) throw new Error(`a piece starts at ${piece.offset}, the one before ended at ${end}`);
    end += piece.bytes;
    await piece.fill(bytes.subarray(piece.offset, end));
  }
  if (end !== bytes.length) throw new Error(`pieces end at ${end}, the image at ${bytes.length}`);
  return bytes;
}
