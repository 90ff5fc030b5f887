import { readFile } from 'node:fs/promises';
import type { WasmModules } from '../../src/backends/wasm/open.ts';
import { overSharedMemory } from '../../src/backends/wasm/shared-memory.ts';

async function compile(name: string, shared: boolean): Promise<WebAssembly.Module> {
  const bytes = new Uint8Array(await readFile(new URL(`../../dist/wasm/${name}.wasm`, import.meta.url)));
  return WebAssembly.compile(shared ? overSharedMemory(bytes) : bytes);
}

/** The built kernel modules, over memory of their own or shared; no relaxed one where this engine cannot compile it. */
export async function testModules(shared = false): Promise<WasmModules> {
  return { simd128: await compile('simd128', shared), relaxed: await compile('relaxed', shared).catch(() => null), shared };
}
