import { copyF32, widenBF16, widenF16 } from './floats.ts';
import { Q4_0_GRID, Q4_1_GRID, Q8_0_GRID, type GridLayout } from './grids.ts';
import { q2_k, q3_k, q4_k, q5_k, q6_k } from './k-quants.ts';
import { q4_0, q4_1, q5_0, q5_1, q8_0 } from './legacy.ts';

/** A tensor type that can be read. Rows of a tensor are whole numbers of blocks. */
export interface BlockType {
  /** Number in a GGUF tensor info. */
  readonly id: number;
  /** Name in both file kinds. */
  readonly name: string;
  /** Values of a block. */
  readonly elements: number;
  readonly bytes: number;
  /** All blocks of `bytes` to f32; `out.length` is their number of values. Equal to numpy's f32 arithmetic in PyPI `gguf`, bit for bit. */
  dequantise(bytes: Uint8Array, out: Float32Array): void;
  /** Where the codes are a grid that recipes can take over. */
  readonly grid: GridLayout | null;
}

type Block = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void;

function quant(id: number, name: string, elements: number, size: number, block: Block, grid?: GridLayout): BlockType {
  const dequantise = (bytes: Uint8Array, out: Float32Array): void => {
    for (let at = 0, to = 0; at < bytes.length; at += size, to += elements) block(bytes, at, out, to);
  };
  return { id, name, elements, bytes: size, dequantise, grid: grid ?? null };
}

/** Sizes: `GGML_QUANT_SIZES` of ggml-org/llama.cpp, gguf-py/gguf/constants.py. */
export const BLOCK_TYPES: readonly BlockType[] = [
  { id: 0, name: 'F32', elements: 1, bytes: 4, dequantise: copyF32, grid: null },
  { id: 1, name: 'F16', elements: 1, bytes: 2, dequantise: widenF16, grid: null },
  { id: 30, name: 'BF16', elements: 1, bytes: 2, dequantise: widenBF16, grid: null },
  quant(2, 'Q4_0', 32, 18, q4_0, Q4_0_GRID),
  quant(3, 'Q4_1', 32, 20, q4_1, Q4_1_GRID),
  quant(6, 'Q5_0', 32, 22, q5_0),
  quant(7, 'Q5_1', 32, 24, q5_1),
  quant(8, 'Q8_0', 32, 34, q8_0, Q8_0_GRID),
  quant(10, 'Q2_K', 256, 84, q2_k),
  quant(11, 'Q3_K', 256, 110, q3_k),
  quant(12, 'Q4_K', 256, 144, q4_k),
  quant(13, 'Q5_K', 256, 176, q5_k),
  quant(14, 'Q6_K', 256, 210, q6_k),
];
