import type { Decoder } from '../../src/runtime/decoder.ts';

/** Calls `run` on blocks that the decoder takes, from where it stands. */
function inBlocks(decoder: Decoder, ids: ArrayLike<number>, run: (block: number[], from: number) => void): void {
  for (let from = 0; from < ids.length; ) {
    const block = Array.from(ids).slice(from, from + decoder.blockRoom());
    run(block, from);
    from += block.length;
  }
}

/** Logits of all positions of a fresh window, [ids.length, vocab]. */
export function allLogits(decoder: Decoder, ids: ArrayLike<number>): Float32Array {
  const { vocab } = decoder;
  const out = new Float32Array(ids.length * vocab);
  decoder.truncate(0);
  inBlocks(decoder, ids, (block, from) => decoder.forwardRows(block, block.length).forEach((logits, t) => out.set(logits, (from + t) * vocab)));
  return out;
}

/** Logits of the last position of a fresh window, [vocab]: a view that the next forward overwrites. */
export function lastLogits(decoder: Decoder, ids: ArrayLike<number>): Float32Array {
  let logits: Float32Array = new Float32Array();
  decoder.truncate(0);
  inBlocks(decoder, ids, (block) => (logits = decoder.forward(block)));
  return logits;
}

/** Largest |a - b|; infinite where one is no number. */
export function largestDifference(a: Float32Array, b: Float32Array): number {
  let worst = a.length === b.length ? 0 : Infinity;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Infinity : difference;
  }
  return worst;
}

export const largestMagnitude = (values: Float32Array): number => largestDifference(values, new Float32Array(values.length));
