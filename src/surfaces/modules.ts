import type { WasmModules } from '../backends/open.ts';
import { TetradError } from '../core/errors.ts';

type Compile = (name: string, shared: boolean) => Promise<WebAssembly.Module>;

async function compileBoth(compile: Compile, shared: boolean): Promise<WasmModules> {
  const refused = (cause: unknown): never => {
    if (!(cause instanceof WebAssembly.CompileError)) throw cause;
    throw new TetradError('no_kernel', `Cannot compile the kernels: the engine says "${cause.message}", needed is WebAssembly with SIMD`, { cause });
  };
  const [simd128, relaxed] = await Promise.all([compile('simd128', shared).catch(refused), compile('relaxed', shared).catch(() => null)]);
  return { simd128, relaxed, shared };
}

/**
 * The kernel modules, over shared memory or not, compiled once; without the relaxed one where the engine has no relaxed SIMD. What fails is tried anew at
 * the next call. Rejects with `no_kernel` where there is no SIMD.
 */
export function compileModules(compile: Compile): (shared?: boolean) => Promise<WasmModules> {
  const compiled = new Map<boolean, Promise<WasmModules>>();
  return (shared = false) => {
    const known = compiled.get(shared) ?? compileBoth(compile, shared);
    compiled.set(shared, known);
    known.catch(() => compiled.delete(shared));
    return known;
  };
}
