import { readFile } from 'node:fs/promises';
import type { WasmModules } from '../../src/backends/wasm/open.ts';

const file = (name: string): Promise<Buffer> => readFile(new URL(`../../dist/wasm/${name}.wasm`, import.meta.url));

/** The built kernel modules; no relaxed one where this engine cannot compile it. */
export async function testModules(): Promise<WasmModules> {
  const simd128 = await WebAssembly.compile(new Uint8Array(await file('simd128')));
  const relaxed = await WebAssembly.compile(new Uint8Array(await file('relaxed'))).catch(() => null);
  return { simd128, relaxed };
}
