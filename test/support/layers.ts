import { openWasm } from '../../src/backends/wasm/open.ts';
import type { Backend } from '../../src/backends/backend.ts';
import { layerImage, readLayer } from '../../src/calibrate/layer-image.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { KV32, type KvFormat } from '../../src/formats/number-format.ts';
import type { ModelImage } from '../../src/models/image.ts';
import { createDecoder } from '../../src/runtime/decoder.ts';
import type { Counts, LayerStack } from '../../src/runtime/stack.ts';
import { testModules } from './modules.ts';

const [own, shared] = [await testModules(), await testModules(true)];

export const openOwn = (bytes: number): Backend => openWasm(own, 'simd128', bytes);
/** Over memory that threads can share. */
export const openShared = (bytes: number): Backend => openWasm(shared, 'simd128', bytes);

/** The layers of an image, without what stands before and after them. */
export function layersOnly(image: ModelImage): ModelImage {
  const { linears, vectors, rotated: _, ...rest } = image.manifest;
  const kept = <T>(entries: Readonly<Record<string, T>>): Record<string, T> => Object.fromEntries(Object.entries(entries).filter(([name]) => name.startsWith('layers.')));
  return { manifest: { ...rest, linears: kept(linears), vectors: kept(vectors) }, pieces: () => image.pieces(), close: () => image.close() };
}

/** One layer of an image as a model. */
export const oneLayer = async (image: ModelImage, layer: number): Promise<ModelImage> => layerImage(image.manifest, layer, await readLayer(image, layer));

/** Hidden states [ids, hidden] before each layer and after the last one, as the decoder has them. */
export async function hiddenStates(image: ModelImage, ids: readonly number[], kv: KvFormat = KV32): Promise<Float32Array[]> {
  const { hidden, layers } = image.manifest.config;
  const states = Array.from({ length: layers + 1 }, () => new Float32Array(ids.length * hidden));
  const decoder = await createDecoder(image, openOwn, { context: ids.length, kv });
  decoder.trace = (edge, layer, rows, tokens, stride) => {
    for (let t = 0; edge === 'hidden' && t < tokens; t++) states[layer]!.set(rows.subarray(t * stride, t * stride + hidden), (decoder.position + t) * hidden);
  };
  for (let from = 0; from < ids.length; from += PAGE) decoder.forward(ids.slice(from, from + PAGE));
  return states;
}

/** What a stack makes of the next rows of a sequence. */
export function through(stack: LayerStack, rows: Float32Array, counts: Counts | null = null): Float32Array {
  const out = new Float32Array(rows.length);
  stack.run(rows, out, counts);
  return out;
}
