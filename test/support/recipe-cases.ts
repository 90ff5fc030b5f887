import type { OpenBackend } from '../../src/backends/backend.ts';
import { openWasm } from '../../src/backends/wasm/open.ts';
import type { ModelImage } from '../../src/models/image.ts';
import { resolveRecipe } from '../../src/surfaces/quantize/options.ts';
import { quantizeStore } from '../../src/surfaces/quantize/store.ts';
import { testModules } from './modules.ts';
import { outlierStore } from './outlier-store.ts';

/** What test/oracles/recipes.py says of a case (its head explains the fields). */
export interface OracleCase {
  readonly recipe: string;
  readonly set: readonly string[];
  readonly calibration: string | null;
  readonly sequences: number;
  readonly length: number;
  readonly ids: readonly number[];
  readonly spread: number;
  readonly peak: number;
  readonly effect: number;
  readonly linears: Readonly<Record<string, readonly OracleSegment[]>>;
}

export interface OracleSegment {
  readonly k: readonly [number, number];
  readonly sha256: string;
  /** The first 12 codes of the last row. */
  readonly codes: readonly number[];
}

const modules = await testModules();
export const openSimd128: OpenBackend = (bytes) => openWasm(modules, 'simd128', bytes);

/** The oracle's model packed by the case's recipe, calibrated on the case's text. */
export function packCase({ recipe, set, calibration, sequences, length }: OracleCase): Promise<ModelImage> {
  const options = { recipe, set, ...(calibration !== null && { calibration, sequences, length }) };
  return quantizeStore(outlierStore(), resolveRecipe(options), options, {
    open: openSimd128, threads: 1, host: null, now: () => 0, defaultText: () => Promise.reject(new Error('the case has no calibration text')),
  });
}
