import { f16ToF32 } from '../../core/numeric.ts';
import { PAGE } from '../../formats/descriptor.ts';
import { codesParts, placeCode } from '../../formats/kv-layout.ts';
import type { KvCodesFormat } from '../../formats/number-format.ts';
import type { LinearMemory } from '../backend.ts';
import { closeGroup, codeOf } from './kv-close.ts';

const f = Math.fround;

/** One of the two matrices of a head of a page: where its codes lie, and the scale and minimum of a token's channel. */
interface Part {
  readonly codes: number;
  /** Of each token; with constants nothing. */
  readonly scales: number;
  readonly minima: number;
  /** Of each channel, f32; 0: each token has its own. */
  readonly constants: number;
}

/** Keys and values of head number `head` of a page. */
function partsOf(page: number, head: number, headDim: number, bits: number, constants: number, channels: number): readonly [keys: Part, values: Part] {
  const parts = codesParts(headDim, bits as KvCodesFormat['bits'], constants ? 'static' : 'token');
  const at = page + head * parts.bytes;
  const fixed = constants && constants + head * headDim * 4;
  return [
    { codes: at, scales: at + parts.keyScales, minima: at + parts.keyMinima, constants: fixed },
    { codes: at + parts.values, scales: at + parts.valueScales, minima: at + parts.valueMinima, constants: fixed && fixed + 2 * channels * 4 },
  ];
}

/** `closeGroup`'s codes of each token's head, or by the channels' constants `codeOf`'s. */
export function kvAppendCodes(
  memory: LinearMemory, k: number, v: number, stride: number, tokens: number, kvHeads: number, headDim: number, page: number, slot: number,
  bits: number, constants: number, channels: number,
): void {
  const { f32, u8 } = memory;
  const most = 2 ** bits - 1;
  const append = (x: number, token: number, { codes, scales, minima, constants: fixed }: Part): void => {
    const put = (c: number, code: number): void => {
      const [byte, shift] = placeCode(bits, headDim, token, c);
      u8[codes + byte] = (u8[codes + byte]! & ~(most << shift)) | (code << shift);
    };
    if (!fixed) {
      closeGroup(memory, headDim, most, (c) => f32[x + c]!, scales + 2 * token, minima + 2 * token, put);
      return;
    }
    for (let c = 0; c < headDim; c++) put(c, codeOf(f32[x + c]!, f32[(fixed >>> 2) + c]!, f32[(fixed >>> 2) + channels + c]!, most));
  };
  for (let head = 0; head < kvHeads; head++) {
    const [keys, values] = partsOf(page, head, headDim, bits, constants, channels);
    for (let t = 0; t < tokens; t++) {
      const row = t * stride + head * headDim;
      append((k >>> 2) + row, slot + t, keys);
      append((v >>> 2) + row, slot + t, values);
    }
  }
}

/** x = code * scale + minimum, both rounded; keys turn as `rope` turns them. */
export function kvExpand(
  memory: LinearMemory, head: number, tokens: number, headDim: number, bits: number, constants: number, channels: number, table: number, page: number,
): void {
  const { f32, u8, u16 } = memory;
  const half = headDim / 2;
  const [keys, values] = partsOf(head, 0, headDim, bits, constants, channels);
  const read = ({ codes, scales, minima, constants: fixed }: Part, token: number, c: number): number => {
    const [byte, shift] = placeCode(bits, headDim, token, c);
    const code = (u8[codes + byte]! >>> shift) & (2 ** bits - 1);
    const scale = fixed ? f32[(fixed >>> 2) + c]! : f16ToF32(u16[(scales >>> 1) + token]!);
    const minimum = fixed ? f32[(fixed >>> 2) + channels + c]! : f16ToF32(u16[(minima >>> 1) + token]!);
    return f(f(code * scale) + minimum);
  };
  const to = page >>> 2;
  for (let t = 0; t < tokens; t++) {
    for (let c = 0; c < headDim; c++) f32[to + headDim * PAGE + t * headDim + c] = read(values, t, c);
    for (let i = 0; i < half; i++) {
      const a = read(keys, t, i);
      const b = read(keys, t, half + i);
      const cos = f32[(table >>> 2) + t * headDim + i]!;
      const sin = f32[(table >>> 2) + t * headDim + half + i]!;
      f32[to + i * PAGE + t] = table ? f(f(a * cos) - f(b * sin)) : a;
      f32[to + (half + i) * PAGE + t] = table ? f(f(b * cos) + f(a * sin)) : b;
    }
  }
}
