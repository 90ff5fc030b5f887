import { HEADER_TWO_LEVEL, PANEL } from '../../formats/descriptor.ts';
import { headerBytes, padded } from '../../formats/layout.ts';
import type { LinearMemory } from '../backend.ts';
import { blockAddress, codeAt, codesOfScale, readSegment, rowFactors, scaleAndOffset, type SegmentView } from './segment.ts';

const f = Math.fround;

/** A token's quantised input: addresses of its codes, and of its first scale and sum. */
interface Input {
  readonly codes: number;
  readonly scales: number;
  readonly sums: number;
}

/** Exact sum of activation code * weight code over a block. */
function blockDot(memory: LinearMemory, s: SegmentView, panel: number, row: number, b: number, codes: number): number {
  const at = blockAddress(s, panel, b) + headerBytes(s.header);
  const length = padded(Math.min(s.weightBlock, s.length - b * s.weightBlock));
  let dot = 0;
  for (let k = 0; k < length; k++) dot += memory.i8[codes + s.from + b * s.weightBlock + k]! * codeAt(memory, s.weightBits, at, row, k);
  return dot;
}

/**
 * Two-level scales. The blocks of a fold share the activations' scale, so that their sums stay integers:
 * A = sum over folds of f32(sum of scale code * dot) * scale, O = sum over folds of f32(sum of n * sum of codes) * scale; Y = S * A + F * O.
 */
function twoLevel(memory: LinearMemory, s: SegmentView, panel: number, row: number, { codes, scales, sums }: Input): number {
  const blocks = Math.ceil(s.length / s.weightBlock);
  const perFold = s.fold / s.weightBlock;
  let dots = 0;
  let offsets = 0;
  for (let first = 0; first < blocks; first += perFold) {
    let dot = 0;
    let offset = 0;
    for (let b = first; b < Math.min(blocks, first + perFold); b++) {
      const [factor, n] = codesOfScale(memory, s, blockAddress(s, panel, b), row);
      dot += factor * blockDot(memory, s, panel, row, b, codes);
      offset += n * memory.i32[(sums >>> 2) + s.firstBlock + b]!;
    }
    const scale = memory.f32[(scales >>> 2) + s.firstBlock + first]!;
    dots = f(dots + f(f(dot) * scale));
    offsets = f(offsets + f(f(offset) * scale));
  }
  const [S, F] = rowFactors(memory, s, panel, row);
  return f(f(S * dots) + f(F * offsets));
}

/** Real scales: A = sum over blocks of f32(dot) * (s * scale), O = sum over blocks of m * (f32(sum of codes) * scale); Y = A + O. */
function real(memory: LinearMemory, s: SegmentView, panel: number, row: number, { codes, scales, sums }: Input): number {
  let dots = 0;
  let offsets = 0;
  for (let b = 0; b * s.weightBlock < s.length; b++) {
    const [weight, offset] = scaleAndOffset(memory, s, blockAddress(s, panel, b), panel, row);
    const side = s.firstBlock + b;
    const scale = memory.f32[(scales >>> 2) + side]!;
    dots = f(dots + f(f(blockDot(memory, s, panel, row, b, codes)) * f(weight * scale)));
    offsets = f(offsets + f(offset * f(f(memory.i32[(sums >>> 2) + side]!) * scale)));
  }
  return f(dots + offsets);
}

/** Per row and token: the sum of Y over segments in ascending order, each operation rounded to f32; then out = residual ? out + sum : sum. */
export function gemm(
  memory: LinearMemory,
  segments: number, count: number, codes: number, codesStride: number, scales: number, sums: number, blocksStride: number,
  out: number, outStride: number, tokens: number, firstPanel: number, lastPanel: number, residual: number,
): void {
  const table = Array.from({ length: count }, (_, i) => readSegment(memory, segments, i));
  for (let panel = firstPanel; panel < lastPanel; panel++) {
    for (let t = 0; t < tokens; t++) {
      const input = { codes: codes + t * codesStride, scales: scales + t * blocksStride * 4, sums: sums + t * blocksStride * 4 };
      for (let row = 0; row < PANEL; row++) {
        let y = 0;
        for (const s of table) y = f(y + (s.header & HEADER_TWO_LEVEL ? twoLevel : real)(memory, s, panel, row, input));
        const at = (out >>> 2) + t * outStride + panel * PANEL + row;
        memory.f32[at] = residual ? f(memory.f32[at]! + y) : y;
      }
    }
  }
}
