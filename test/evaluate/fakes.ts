import type { Evaluator } from '../../src/evaluate/evaluator.ts';

/** Plays back logits: `rows[position]`, whatever the tokens, from views that the next call overwrites. */
export function playback(rows: readonly ArrayLike<number>[], block: number): Evaluator & { readonly seen: number[][] } {
  const seen: number[][] = [];
  const vocab = rows[0]!.length;
  const memory = new Float32Array(block * vocab);
  let position = 0;
  return {
    context: rows.length,
    vocab,
    block,
    seen,
    reset() {
      position = 0;
      seen.push([]);
    },
    forward(tokens) {
      memory.fill(NaN);
      return Array.from(tokens, (token, t) => {
        memory.set(rows[position++]!, t * vocab);
        seen.at(-1)!.push(token);
        return memory.subarray(t * vocab, (t + 1) * vocab);
      });
    },
  };
}

/** Rows of frozen logits [tokens, vocab]. */
export const rowsOf = (logits: Float32Array, vocab: number): Float32Array[] =>
  Array.from({ length: logits.length / vocab }, (_, t) => logits.subarray(t * vocab, (t + 1) * vocab));
