import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { overSharedMemory } from '../../backends/open.ts';
import { compileModules } from '../modules.ts';

const resolve = createRequire(import.meta.url).resolve;

async function compile(name: string, shared: boolean): Promise<WebAssembly.Module> {
  const bytes = new Uint8Array(await readFile(resolve(`tetrad/wasm/${name}.wasm`)));
  return WebAssembly.compile(shared ? overSharedMemory(bytes) : bytes);
}

/** The kernel modules from the package's files, over shared memory or not, compiled once per process. */
export const kernelModules = compileModules(compile);
