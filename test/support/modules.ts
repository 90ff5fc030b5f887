import { readFile } from 'node:fs/promises';
import type { WasmModules } from '../../src/backends/wasm/open.ts';

const file = (name: string): Promise<Buffer> => readFile(new URL(`../../dist/wasm/${name}.wasm`, import.meta.url));

/** The built kernel modules, over memory of their own or shared; no relaxed one where this engine cannot compile it. */
export async function testModules(shared = false): Promise<WasmModules> {
  const suffix = shared ? '-threads' : '';
  const simd128 = await WebAssembly.compile(new Uint8Array(await file(`simd128${suffix}`)));
  const relaxed = await WebAssembly.compile(new Uint8Array(await file(`relaxed${suffix}`))).catch(() => null);
  return { simd128, relaxed, shared };
}
