import type { Decoder } from '../src/runtime/decoder.ts';
import { engine } from '../src/surfaces/cli/engine.ts';
import type { MemoryOptions } from '../src/surfaces/loader.ts';

/** The embedded model; `decoder.threads` are those that it has, which may be fewer than asked for. */
export async function openEmbedded(options: MemoryOptions): Promise<Decoder> {
  const image = await engine.openImage(null, {});
  return engine.decoder(image, options).finally(() => image.close());
}
