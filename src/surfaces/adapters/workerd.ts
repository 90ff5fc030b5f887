import relaxed from '../../wasm/relaxed.wasm';
import simd128 from '../../wasm/simd128.wasm';
import { backendOpener } from '../../backends/open.ts';
import type { ByteDirectory } from '../../core/bytes.ts';
import type { Model } from '../../generate/model.ts';
import type { Estimate } from '../../runtime/estimate.ts';
import { threadsOf, type Platform } from '../loader.ts';
import { estimatePacked, loadPacked, type PackedOptions } from '../packed.ts';

export * from '../public.ts';
export { assetDirectory, bucketDirectory, valueDirectory } from './bindings.ts';
export type { PackedOptions as LoadOptions } from '../packed.ts';

declare const scheduler: { wait(ms: number): Promise<void> };

const now = (): number => performance.now();
/** Messages between ports do not let it see that a client is gone; this does, in some 25 µs. */
const pause = (): Promise<void> => scheduler.wait(0);

/** The modules come compiled, and an isolate has one thread. */
export const platformOf = (options: PackedOptions): Platform & { readonly now: () => number } =>
  ({ open: backendOpener({ modules: { simd128, relaxed }, path: options.path, now }), threads: threadsOf(options, null), host: null, now, pause });

/** Loads a container: its shards are read straight into linear memory. */
export const load = async (source: ByteDirectory, options: PackedOptions = {}): Promise<Model<Estimate>> => loadPacked(source, options, platformOf(options));

/** Bytes that `load` with the same arguments will need. */
export const estimate = async (source: ByteDirectory, options: PackedOptions = {}): Promise<Estimate> => estimatePacked(source, options, platformOf(options));
