import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Frozen checkpoints of test/oracles/tiny_llama.py. */
export const tinyFolder = (name: string): string => fileURLToPath(new URL(`../fixtures/tiny/${name}`, import.meta.url));

export interface Expected {
  readonly ids: readonly number[];
  readonly vocab: number;
  /** Largest |f32 - f64| of transformers' logits. */
  readonly spread: number;
  /** Largest |logit|. */
  readonly peak: number;
  readonly texts: readonly { readonly text: string; readonly ids: readonly number[]; readonly decoded: string }[];
}

export const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;

export function readF32(path: string): Float32Array {
  const bytes = readFileSync(path);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

export const tinyExpected = (name: string): Expected => readJson(`${tinyFolder(name)}/expected.json`);

/** [tokens, vocab] f32. */
export const tinyLogits = (name: string): Float32Array => readF32(`${tinyFolder(name)}/logits.f32`);
