import type { OnProgress } from '../core/bytes.ts';
import { pause } from '../core/pause.ts';
import { PAGE } from '../formats/descriptor.ts';
import type { Decoder } from '../runtime/decoder.ts';
import { denseKl } from './base.ts';
import { distribution, read } from './softmax.ts';

/** What becomes of a linear's input rows f32 [tokens, cols]. */
export type Alter = (values: Float32Array) => Float32Array;

export interface LossOptions {
  readonly signal?: AbortSignal | undefined;
  /** Stage `losses`, in linears. */
  readonly onProgress?: OnProgress | undefined;
}

/** Logits of all tokens, one row after the other. */
function logitsOf(decoder: Decoder, ids: readonly number[]): Float32Array {
  const { vocab } = decoder;
  const logits = new Float32Array(ids.length * vocab);
  decoder.truncate(0);
  for (let from = 0; from < ids.length; from += PAGE) {
    const block = ids.slice(from, from + PAGE);
    decoder.forwardRows(block, block.length).forEach((row, t) => logits.set(row, (from + t) * vocab));
  }
  return logits;
}

function meanKl(base: Float32Array, own: Float32Array, vocab: number): number {
  const [truth, other] = [distribution(vocab), distribution(vocab)];
  let sum = 0;
  for (let at = 0; at < base.length; at += vocab) {
    const [b, o] = [base.subarray(at, at + vocab), own.subarray(at, at + vocab)];
    read(truth, b);
    read(other, o);
    sum += denseKl(truth, b, other, o);
  }
  return (sum * vocab) / base.length;
}

/**
 * What a model loses when the input of one linear alone is altered: mean KL divergence of its logits, in nats, by linear. The decoder must be of f32, on one
 * thread, and keep PAGE rows of logits.
 */
export async function inputLosses(decoder: Decoder, ids: readonly number[], alters: ReadonlyMap<string, Alter>, { signal, onProgress }: LossOptions = {}): Promise<Map<string, number>> {
  const base = logitsOf(decoder, ids);
  const losses = new Map<string, number>();
  try {
    for (const [name, alter] of alters) {
      decoder.tap = (site, rows, tokens, stride, cols) => {
        if (site !== name) return;
        const values = new Float32Array(tokens * cols);
        for (let t = 0; t < tokens; t++) values.set(rows.subarray(t * stride, t * stride + cols), t * cols);
        const altered = alter(values);
        for (let t = 0; t < tokens; t++) rows.set(altered.subarray(t * cols, (t + 1) * cols), t * stride);
      };
      losses.set(name, meanKl(base, logitsOf(decoder, ids), decoder.vocab));
      onProgress?.({ stage: 'losses', loaded: losses.size, total: alters.size });
      await pause();
      signal?.throwIfAborted();
    }
  } finally {
    decoder.tap = null;
    decoder.truncate(0);
  }
  return losses;
}
