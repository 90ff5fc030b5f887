import type { Evaluator } from '../../src/evaluate/evaluator.ts';

/** Plays back logits: `rows[position]`, whatever the tokens; rows are padded to `stride` with a value that must not be read. */
export function playback(rows: readonly ArrayLike<number>[], block: number, stride = rows[0]!.length + 3): Evaluator & { readonly seen: number[][] } {
  const seen: number[][] = [];
  let position = 0;
  const values = new Float32Array(block * stride);
  return {
    context: rows.length,
    vocab: rows[0]!.length,
    block,
    seen,
    reset() {
      position = 0;
      seen.push([]);
    },
    forward(tokens) {
      values.fill(1e30);
      for (let t = 0; t < tokens.length; t++, position++) {
        values.set(rows[position]!, t * stride);
        seen.at(-1)!.push(tokens[t]!);
      }
      return { values, stride };
    },
  };
}

/** Rows of frozen logits [tokens, vocab]. */
export const rowsOf = (logits: Float32Array, vocab: number): Float32Array[] =>
  Array.from({ length: logits.length / vocab }, (_, t) => logits.subarray(t * vocab, (t + 1) * vocab));
