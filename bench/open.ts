import { engine } from '../src/surfaces/cli/engine.ts';
import type { MemoryOptions } from '../src/surfaces/loader.ts';
import type { Decoder } from '../src/runtime/decoder.ts';
import { TetradError } from '../src/core/errors.ts';

export interface OpenedDecoder {
  readonly decoder: Decoder;
  /** Those that it has, which may be fewer than asked for. */
  readonly threads: number;
  dispose(): Promise<void>;
}

/** What a decoder on several threads has beside one on one thread. */
type Threaded = Partial<{ readonly threads: number; dispose(): unknown }>;

/** The embedded model, or null with a note on stderr where so many threads can't be had. */
export async function openEmbedded(options: MemoryOptions): Promise<OpenedDecoder | null> {
  const image = await engine.openImage(null, {});
  try {
    const decoder = await engine.decoder(image, options);
    const threaded: Threaded = decoder as unknown as Threaded;
    return { decoder, threads: threaded.threads ?? 1, dispose: async () => void (await threaded.dispose?.()) };
  } catch (error) {
    if (!(error instanceof TetradError && error.code === 'invalid_argument')) throw error;
    process.stderr.write(`Note: left out: ${error.message}\n`);
    return null;
  } finally {
    await image.close();
  }
}
