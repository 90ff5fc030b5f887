import type { OnProgress } from '../core/bytes.ts';
import { TetradError } from '../core/errors.ts';
import { pause } from '../core/pause.ts';
import type { Decoder } from '../runtime/decoder.ts';
import type { ActivationSamples } from './samples.ts';
import { SiteStatistics } from './statistics.ts';

export interface CollectOptions {
  /** Tokens whose inputs are kept whole, spread evenly. Default 192. */
  readonly keep?: number | undefined;
  /** Tokens at the start of each sequence that do not count. Default 0. */
  readonly skip?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/**
 * Runs calibration sequences through an f32 decoder and collects statistics of every linear's input and of keys and values: over all tokens, and whole the
 * inputs of `keep` tokens, in memory bounded by `keep` times the sum of input widths. The output layer is seen for the last token of each block only.
 * Throws `invalid_argument` naming the first site whose activations are not finite.
 */
export async function collectSamples(decoder: Decoder, sequences: readonly (readonly number[])[], options: CollectOptions = {}): Promise<ActivationSamples> {
  const { keep = 192, skip = 0, signal, onProgress } = options;
  const total = sequences.reduce((sum, ids) => sum + ids.length, 0);
  const counted = sequences.reduce((sum, ids) => sum + Math.max(0, ids.length - skip), 0);
  if (counted < 2) throw new TetradError('invalid_argument', `Cannot calibrate: the text has ${total} tokens, of which ${counted} count, needed are at least 2`);
  const sites = new Map<string, SiteStatistics>();
  /** Tokens that counted before this block, its tokens, and how many of these do not count. */
  let [seen, length, skipped] = [0, 0, 0];
  decoder.tap = (name, values, tokens, stride, cols) => {
    let site = sites.get(name);
    if (!site) sites.set(name, (site = new SiteStatistics(name, cols, Math.min(keep, counted), Math.max(1, counted / keep))));
    const start = Math.max(length - tokens, skipped); // of the output layer, the block's last tokens come
    if (start < length) site.add(values.subarray((tokens - length + start) * stride), length - start, stride, seen + start - skipped);
  };
  let loaded = 0;
  try {
    for (const ids of sequences) {
      decoder.truncate(0);
      while (decoder.position < ids.length) {
        const { position } = decoder;
        const room = decoder.blockRoom();
        if (room === 0) throw new TetradError('invalid_argument', `Cannot calibrate with sequences of ${ids.length} tokens: the decoder's context is ${position}, needed is one that holds them`);
        const block = ids.slice(position, position + room);
        length = block.length;
        skipped = Math.min(block.length, Math.max(0, skip - position));
        decoder.forward(block);
        seen += block.length - skipped;
        loaded += block.length;
        onProgress?.({ stage: 'calibrate', loaded, total });
        await pause();
        signal?.throwIfAborted();
      }
    }
  } finally {
    decoder.tap = null;
    decoder.truncate(0);
  }
  return new Map([...sites].map(([name, site]) => [name, site.finish()]));
}
