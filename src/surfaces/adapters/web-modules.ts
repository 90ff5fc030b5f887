import { overSharedMemory } from '../../backends/open.ts';
import { TetradError } from '../../core/errors.ts';
import { compileModules } from '../modules.ts';

/** Written out for bundlers, which look for this form. */
const urls: Readonly<Record<string, URL>> = {
  simd128: new URL('../../wasm/simd128.wasm', import.meta.url),
  relaxed: new URL('../../wasm/relaxed.wasm', import.meta.url),
};

async function compile(name: string, shared: boolean): Promise<WebAssembly.Module> {
  const response = await fetch(urls[name]!);
  if (!response.ok) throw new TetradError('not_found', `Cannot load the kernels: ${response.url} answers ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  return WebAssembly.compile(shared ? overSharedMemory(bytes) : bytes);
}

/** The kernel modules, from beside the script, over shared memory or not, compiled once per page or worker. */
export const kernelModules = compileModules(compile);
