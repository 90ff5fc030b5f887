import { TetradError } from '../core/errors.ts';
import type { OnProgress } from '../core/bytes.ts';
import { pause } from '../core/pause.ts';
import type { Decoder } from '../runtime/decoder.ts';
import type { ActivationSamples, SiteSamples } from './samples.ts';

export interface CollectOptions {
  /** Tokens whose inputs are kept whole, spread evenly. Default 192. */
  readonly keep?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

interface Sums {
  readonly cols: number;
  readonly rows: Float32Array;
  readonly squares: Float64Array;
  /** Tokens in `squares`, and of these in `rows`; the output layer sees only the last of each block. */
  seen: number;
  kept: number;
}

/**
 * Runs calibration tokens through an f32 decoder and collects every linear's input: the mean square of each channel over all tokens, and the inputs of
 * `keep` tokens, in memory bounded by `keep` times the sum of input widths. Text longer than the context goes in windows from position 0.
 */
export async function collectSamples(decoder: Decoder, ids: readonly number[], options: CollectOptions = {}): Promise<ActivationSamples> {
  const { keep = 192, signal, onProgress } = options;
  if (ids.length < 2) throw new TetradError('invalid_argument', `Cannot calibrate: the text has ${ids.length} tokens, needed are at least 2`);
  const stride = Math.max(1, ids.length / keep);
  const limit = Math.min(keep, ids.length);
  const sites = new Map<string, Sums>();
  let seen = 0;
  decoder.tap = (site, values, tokens, rowStride, cols) => {
    let sums = sites.get(site);
    if (!sums) sites.set(site, (sums = { cols, rows: new Float32Array(limit * cols), squares: new Float64Array(cols), seen: 0, kept: 0 }));
    sums.seen += tokens;
    for (let t = 0; t < tokens; t++) {
      const row = values.subarray(t * rowStride, t * rowStride + cols);
      for (let c = 0; c < cols; c++) sums.squares[c]! += row[c]! * row[c]!;
      if (sums.kept < limit && seen + t >= Math.floor(sums.kept * stride)) sums.rows.set(row, sums.kept++ * cols);
    }
  };
  try {
    while (seen < ids.length) {
      if (seen === 0 || decoder.blockRoom() === 0) decoder.truncate(0);
      const block = ids.slice(seen, seen + decoder.blockRoom());
      decoder.forward(block);
      seen += block.length;
      onProgress?.({ stage: 'calibrate', loaded: seen, total: ids.length });
      await pause();
      signal?.throwIfAborted();
    }
  } finally {
    decoder.tap = null;
    decoder.truncate(0);
  }
  const finished = [...sites].map(([site, { cols, rows, squares, seen: count, kept }]): [string, SiteSamples] => [
    site,
    { rows: rows.subarray(0, kept * cols), tokens: kept, meanSquare: Float32Array.from(squares, (sum) => sum / count) },
  ]);
  return new Map(finished);
}
