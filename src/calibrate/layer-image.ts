import { TetradError } from '../core/errors.ts';
import { ceilTo } from '../formats/layout.ts';
import { mapArrays } from '../models/arrays.ts';
import { IMAGE_ALIGNMENT, type ArrayRef, type Manifest, type ModelImage } from '../models/image.ts';
import { linearArrays } from '../models/size.ts';

/** Arrays of linears or vectors `by` bytes earlier. */
const rebased = <T>(value: T, by: number): T => mapArrays(value, (ref) => ({ ...ref, offset: ref.offset - by }));

/** Entries of a layer under the names that they have in layer 0. */
function ofLayer<T>(entries: Readonly<Record<string, T>>, layer: number): Record<string, T> {
  const prefix = `layers.${layer}.`;
  const own = Object.entries(entries).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, value]) => [`layers.0.${name.slice(prefix.length)}`, value]));
}

/** Where the arrays of a layer lie in an image: without a gap, and with no other's between them. */
export function layerRange(manifest: Manifest, layer: number): ArrayRef {
  let [from, to] = [Infinity, 0];
  const arrays = [...Object.values(ofLayer(manifest.linears, layer)).flatMap(linearArrays), ...Object.values(ofLayer(manifest.vectors, layer))];
  for (const { offset, bytes } of arrays) [from, to] = [Math.min(from, offset), Math.max(to, offset + bytes)];
  return { offset: from, bytes: ceilTo(to, IMAGE_ALIGNMENT) - from };
}

/** One layer of an image, as a model that has nothing else. `bytes`: those of `layerRange`. */
export function layerImage(manifest: Manifest, layer: number, bytes: Uint8Array): ModelImage {
  const range = layerRange(manifest, layer);
  if (bytes.length !== range.bytes) {
    throw new TetradError('invalid_argument', `Cannot make an image of layer ${layer}: ${bytes.length} bytes are given, needed are ${range.bytes}`);
  }
  const { rotated: _, ...rest } = manifest;
  const own: Manifest = {
    ...rest,
    config: { ...manifest.config, layers: 1 },
    linears: rebased(ofLayer(manifest.linears, layer), range.offset),
    vectors: rebased(ofLayer(manifest.vectors, layer), range.offset),
    bytes: range.bytes,
  };
  const fill = async (target: Uint8Array): Promise<void> => target.set(bytes);
  return { manifest: own, pieces: () => [{ offset: 0, bytes: range.bytes, fill }], close: async () => {} };
}

/** The bytes of a layer of an image. Pieces that hold nothing of it are not made. */
export async function readLayer(image: ModelImage, layer: number, signal?: AbortSignal): Promise<Uint8Array> {
  const { offset, bytes } = layerRange(image.manifest, layer);
  const layerBytes = new Uint8Array(bytes);
  for await (const piece of image.pieces()) {
    const [from, to] = [Math.max(offset, piece.offset), Math.min(offset + bytes, piece.offset + piece.bytes)];
    if (from >= to) continue;
    signal?.throwIfAborted();
    const whole = new Uint8Array(piece.bytes);
    await piece.fill(whole, signal);
    layerBytes.set(whole.subarray(from - piece.offset, to - piece.offset), from - offset);
  }
  return layerBytes;
}
