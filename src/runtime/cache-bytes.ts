import { PAGE } from '../formats/descriptor.ts';
import { codesParts, keptPages, keyDepth, kvHeadBytes, openFormat, place4, place8 } from '../formats/kv-layout.ts';
import { isCodes, type KvFormat } from '../formats/number-format.ts';
import type { ModelConfig } from '../models/config.ts';

/** Bytes of the saved cache of `tokens` tokens: layer after layer, and in each page after page (`kv-cache.ts`). */
export function cacheBytes(format: KvFormat, { layers, kvHeads, headDim }: Pick<ModelConfig, 'layers' | 'kvHeads' | 'headDim'>, tokens: number): number {
  const full = Math.floor(tokens / PAGE);
  const kept = Math.min(keptPages(format), full);
  const open = kept + (tokens % PAGE > 0 ? 1 : 0);
  return layers * kvHeads * (open * kvHeadBytes(openFormat(format), headDim) + (full - kept) * kvHeadBytes(format, headDim));
}

/** Zeros for the tokens of a page in an open form from number `from` on: what a sequence that was cut back has left there. */
export function clearSlots(page: Uint8Array, format: KvFormat, kvHeads: number, headDim: number, from: number): void {
  const bytes = page.length / kvHeads;
  for (let head = 0; head < kvHeads; head++) clearHead(page.subarray(head * bytes, (head + 1) * bytes), format, headDim, from);
}

/** Zeros for the columns of a packed page's keys that mean nothing. */
export function clearColumns(page: Uint8Array, kvHeads: number, headDim: number): void {
  const depth = keyDepth(headDim);
  const bytes = page.length / kvHeads;
  for (let head = 0; head < kvHeads && depth > headDim; head++) {
    for (let row = 0; row < PAGE; row += 8) page.fill(0, head * bytes + place4(depth, row, headDim), head * bytes + place4(depth, row + 8, 0));
  }
}

function clearHead(head: Uint8Array, format: KvFormat, headDim: number, from: number): void {
  const { length } = head;
  if (isCodes(format)) {
    const { values, keyScales } = codesParts(headDim, format.bits, format.per);
    for (const matrix of [0, values]) head.fill(0, matrix + (from * values) / PAGE, matrix + values);
    for (let at = keyScales; at < length; at += 2 * PAGE) head.fill(0, at + 2 * from, at + 2 * PAGE);
  } else if (format.bits === 32) {
    for (let c = 0; c < headDim; c++) head.fill(0, (c * PAGE + from) * 4, (c + 1) * PAGE * 4);
    head.fill(0, length / 2 + from * headDim * 4);
  } else {
    const scales = 2 * headDim * PAGE;
    for (let t = from; t < PAGE; t++) {
      for (let c = 0; c < headDim; c++) head[place8(headDim, t, c)] = head[headDim * PAGE + place8(PAGE, c, t)] = 0;
    }
    for (let at = scales; at < length; at += 4 * PAGE) head.fill(0, at + 4 * from, at + 4 * PAGE);
  }
}
