import { TetradError } from '../core/errors.ts';
import { hadamard, rotateRows } from '../core/hadamard.ts';
import type { WeightStore } from '../models/weights.ts';

/** Rows of the table that are read at once. */
const ROWS = 1024;

/**
 * Hidden states before the first layer, f32 [tokens, hidden], sequence after sequence. `rotated`: multiplied by the Hadamard matrix of their width
 * (`Manifest.rotated`).
 */
export async function embeddings(store: WeightStore, sequences: readonly (readonly number[])[], rotated: boolean, signal?: AbortSignal): Promise<Float32Array> {
  const { hidden, vocab } = store.config;
  const ids = sequences.flat();
  const table = store.tensor('embed');
  const states = new Float32Array(ids.length * hidden);
  const places = new Map<number, number[]>(); // by block of the table: its tokens
  for (const [t, id] of ids.entries()) {
    if (!(id >= 0 && id < vocab)) throw new TetradError('invalid_argument', `Cannot embed token ${id}: needed are ids from 0 to ${vocab - 1}`);
    const block = Math.floor(id / ROWS);
    const tokens = places.get(block);
    if (tokens) tokens.push(t);
    else places.set(block, [t]);
  }
  for (const [block, tokens] of places) {
    const from = block * ROWS;
    const rows = await table.read(from, Math.min(vocab, from + ROWS), signal);
    for (const t of tokens) states.set(rows.subarray((ids[t]! - from) * hidden, (ids[t]! - from + 1) * hidden), t * hidden);
  }
  if (rotated) rotateRows(states, ids.length, hadamard(hidden)!);
  return states;
}
