import type { BuildOptions } from 'esbuild';

/** esbuild's settings for a runtime without Node's modules. */
export function edgeBuild(condition: 'workerd' | 'browser'): BuildOptions & { readonly metafile: true };

export interface Bundle {
  /** What is loaded at once, without modules that are imported when they are needed. */
  readonly text: string;
  readonly inputs: readonly string[];
  readonly exports: readonly string[];
  /** Modules that are imported when they are needed. */
  readonly later: readonly string[];
}

/** `code` bundled by an export condition; `node`, `deno` and `bun` may use Node's modules. */
export function bundle(condition: 'workerd' | 'browser' | 'node' | 'deno' | 'bun', code?: string): Promise<Bundle>;

/** Bytes of a bundle's text and of both kernel modules, gzip. */
export function shippedBytes(bundle: Bundle): { readonly script: number; readonly wasm: number };
