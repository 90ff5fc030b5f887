import relaxed from '../../wasm/relaxed.wasm';
import simd128 from '../../wasm/simd128.wasm';
import { backendOpener } from '../../backends/open.ts';
import type { ByteDirectory } from '../../core/bytes.ts';
import type { Model } from '../../generate/model.ts';
import type { Estimate } from '../../runtime/estimate.ts';
import { threadsOf, type Platform } from '../loader.ts';
import { estimatePacked, loadPacked, type PackedOptions } from '../packed.ts';

export * from '../public.ts';
export type { PackedOptions as LoadOptions } from '../packed.ts';

const now = (): number => performance.now();

/** The modules come compiled, and an isolate has one thread. */
export const platformOf = (options: PackedOptions): Platform & { readonly now: () => number } =>
  ({ open: backendOpener({ modules: { simd128, relaxed }, path: options.path, now }), threads: threadsOf(options, null), host: null, now });

/** Loads a container: its shards are read straight into linear memory. */
export const load = async (source: ByteDirectory, options: PackedOptions = {}): Promise<Model<Estimate>> => loadPacked(source, options, platformOf(options));

/** Bytes that `load` with the same arguments will need. */
export const estimate = async (source: ByteDirectory, options: PackedOptions = {}): Promise<Estimate> => estimatePacked(source, options, platformOf(options));
