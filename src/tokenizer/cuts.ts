import type { CutMerges } from '../core/tokenizer-data.ts';
import { invalid } from './json.ts';
import type { Texts } from './texts.ts';

/** Characters of `cuts`. Bounds what a small file can ask for: every cut becomes a pair. */
export const MAX_CUTS = 2 ** 23;
/** Longer tokens, which no vocabulary merges, are not cut: their merges together could be far longer than the file. */
const LONGEST_TOKEN = 256;
const NONE = '0';
const MORE = '+';
const BASE = NONE.charCodeAt(0);

const parts = (merge: unknown, joined: boolean): readonly unknown[] => {
  if (joined) return typeof merge === 'string' ? merge.split(' ') : [];
  return Array.isArray(merge) ? merge : [];
};

/** Null where the merges do not have this form. */
export function cutMerges(merges: unknown, tokens: readonly (string | null)[]): CutMerges | null {
  if (!Array.isArray(merges)) return null;
  const joined = typeof merges[0] === 'string';
  let cuts = '';
  let id = -1; // the token that `cuts` has come to
  for (const merge of merges) {
    const pair = parts(merge, joined);
    const [left, right] = pair;
    if (pair.length !== 2 || typeof left !== 'string' || typeof right !== 'string' || left === '' || right === '') return null;
    const product = left + right;
    if (product.length > LONGEST_TOKEN) return null;
    if (product === tokens[id]) cuts += MORE;
    else while (tokens[++id] !== product) {
      if (id >= tokens.length) return null;
      cuts += NONE;
    }
    cuts += String.fromCharCode(BASE + left.length);
  }
  cuts += NONE.repeat(tokens.length - 1 - id);
  return cuts.length > MAX_CUTS ? null : { cuts, joined };
}

/**
 * Tells of the merges in their order: from where to where the token that each gives stands in `tokens.text`, and where it cuts it. Throws `invalid_file` for cuts that do not go with the tokens, and
 * what `visit` throws.
 */
export function eachMerge({ cuts }: CutMerges, tokens: Texts, visit: (from: number, cut: number, to: number) => void): void {
  const cutToken = (id: number, at: number): void => {
    if (at >= cuts.length) throw invalid(`merges.cuts ends at token ${id} of ${tokens.count}`);
    const [from, to] = [tokens.from(id), tokens.to(id)];
    const length = cuts.charCodeAt(at) - BASE;
    const most = to - from > LONGEST_TOKEN ? 0 : to - from - 1;
    if (length < 1 || length > most) throw invalid(`merges.cuts cuts token ${id} of ${to - from} characters at ${length}`);
    visit(from, from + length, to);
  };
  let at = 0;
  for (let id = 0; id < tokens.count; id++) {
    if (cuts[at] !== NONE) {
      cutToken(id, at);
      for (; cuts[at + 1] === MORE; at += 2) cutToken(id, at + 2);
    }
    at++;
  }
  if (at < cuts.length) throw invalid(`merges.cuts goes on after ${tokens.count} tokens`);
}

/** How many merges there are. */
export function countMerges({ cuts }: CutMerges): number {
  let count = 0;
  for (let at = 0; at < cuts.length; at++) if (cuts[at] !== NONE && cuts[at] !== MORE) count++;
  return count;
}
