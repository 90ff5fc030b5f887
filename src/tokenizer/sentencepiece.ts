import type { JsonObject } from './json.ts';

type Merge = { readonly left: string; readonly right: string; readonly score: number; readonly leftLength: number; readonly rightLength: number };

/** Longer pieces, which no vocabulary has, are never put together: bounds the work on a malformed file. */
const LONGEST_PIECE = 256;

/**
 * SentencePiece BPE stores scores and no merges: every way to cut a piece in two known pieces is a rule, better scores first, then longer
 * left parts, then longer right parts (`generate_merges` of transformers). Pieces of `atomic` take no part.
 */
export function mergesFromScores(tokens: readonly string[], scores: ArrayLike<number>, atomic: ReadonlySet<string>): [string, string][] {
  const ids = new Map<string, number>();
  tokens.forEach((token, id) => { if (token.length <= LONGEST_PIECE && !atomic.has(token)) ids.set(token, id); });
  const merges: Merge[] = [];
  for (const [token, id] of ids) {
    const chars = Array.from(token);
    const local: (Merge & { readonly order: number })[] = [];
    let left = '';
    for (let cut = 1; cut < chars.length; cut++) {
      left += chars[cut - 1]!;
      const leftId = ids.get(left);
      if (leftId === undefined) continue;
      const right = token.slice(left.length);
      if (ids.has(right)) local.push({ left, right, score: scores[id]!, leftLength: cut, rightLength: chars.length - cut, order: leftId });
    }
    merges.push(...local.sort((a, b) => a.order - b.order));
  }
  merges.sort((a, b) => b.score - a.score || b.leftLength - a.leftLength || b.rightLength - a.rightLength);
  return merges.map(({ left, right }) => [left, right]);
}

/** `add_dummy_prefix` and the space's spelling, before BPE on the whole text. */
export function sentencePieceNormalizer(prefix: boolean): JsonObject {
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  return prefix ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, replace] } : replace;
}

export function sentencePieceDecoder(prefix: boolean): JsonObject {
  const decoders: JsonObject[] = [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }];
  if (prefix) decoders.push({ type: 'Strip', content: ' ', start: 1, stop: 0 });
  return { type: 'Sequence', decoders };
}
