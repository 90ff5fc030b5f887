import { readFileSync } from 'node:fs';
import type { Kernels, LinearMemory } from '../../src/backends/backend.ts';
import type { KernelOp } from '../../src/kernels/manifest.ts';

/** What one call does. */
export interface Work {
  /** Multiply-accumulates; 0 where the op is none of those. */
  readonly macs: number;
  /** Bytes that come from memory: weights, or all that an op without weights reads and writes. */
  readonly bytes: number;
}

/** A case with its buffers written. */
export interface Placed {
  /** Bytes from 0 on that hold inputs; the same in the memory of every path. */
  readonly end: number;
  /** Distinct weights that calls may take turns with, so that they come from memory as in a model. */
  readonly copies: number;
  call(kernels: Kernels, tokens: number, copy: number): void;
  /** Where a call leaves its result: [from, bytes]. */
  output(tokens: number): readonly (readonly [from: number, bytes: number])[];
}

/** One kernel at one shape: what it is, how to place it, and nothing about timing. */
export interface KernelCase {
  readonly op: KernelOp;
  /** Formats, for the table. */
  readonly label: string;
  readonly site: string;
  readonly tokens: readonly number[];
  /** Memory that `place` may use. */
  readonly memory: number;
  work(tokens: number): Work;
  place(memory: LinearMemory): Placed;
}

export interface Shape {
  readonly site: string;
  readonly rows: number;
  readonly cols: number;
}

export const SHAPES = JSON.parse(readFileSync(new URL('../shapes/smollm2-135m.json', import.meta.url), 'utf8')) as Shape[];
export const TOKENS = [1, 4, 16, 64] as const;
export const MOST_TOKENS = 64;

/** Weights are laid out this often that all copies together have at least so many bytes: twice the last cache of most CPUs. */
export const FROM_MEMORY = 64 << 20;
/** Where buffers start; GEMM's scratch lies below. */
export const BASE = 1 << 20;
export const SCRATCH = 4096;
