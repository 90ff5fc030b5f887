import { TetradError } from '../../core/errors.ts';
import type { Isa } from '../../kernels/manifest.ts';
import { OPS, select } from '../../kernels/select.ts';
import { MEMORY_PAGE, type Backend, type Kernels } from '../backend.ts';
import { viewsOf } from '../memory.ts';

/** Compiled kernel modules. Adapters say how to get them: some platforms only hand out precompiled ones. */
export interface WasmModules {
  readonly simd128: WebAssembly.Module;
  /** null where the engine cannot compile relaxed SIMD. */
  readonly relaxed: WebAssembly.Module | null;
  /** The modules import memory that threads share. */
  readonly shared?: boolean | undefined;
}

/** 4 GiB. */
const MOST_PAGES = 65536;

/** The module that holds a path's kernels. */
function moduleFor(modules: WasmModules, isa: Isa): WebAssembly.Module {
  const module = isa === 'simd128' ? modules.simd128 : modules.relaxed;
  if (!module) throw new TetradError('no_kernel', `Cannot open the ${isa} kernels: this engine has no relaxed SIMD`);
  return module;
}

/** What another thread needs of a backend: all of it can be posted to a worker. */
interface WasmHandle {
  readonly module: WebAssembly.Module;
  readonly isa: Isa;
  readonly memory: WebAssembly.Memory;
}

/**
 * Kernels over memory that another thread's backend allocated; `handle` is that backend's. They are the module's exports as they are: a wrapper with rest
 * arguments, as AssemblyScript's loader makes them, would allocate a list a call, 15 kB a token.
 */
export function attachWasm(handle: unknown): Backend {
  const { module, isa, memory } = handle as WasmHandle;
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const kernels = Object.fromEntries(OPS.map((op) => [op, exports[select(op, isa)]])) as unknown;
  const { buffer } = memory;
  return { name: 'wasm', path: isa, memory: viewsOf(buffer), kernels: kernels as Kernels, handle: buffer instanceof ArrayBuffer ? null : handle };
}

/** Opens the kernels of one path over fresh memory of at least `bytes` bytes. */
export function openWasm(modules: WasmModules, isa: Isa, bytes: number): Backend {
  const pages = Math.ceil(bytes / MEMORY_PAGE);
  if (pages > MOST_PAGES) throw new TetradError('out_of_memory', `Cannot allocate memory: ${bytes} bytes needed, WebAssembly addresses 4 GiB`);
  const module = moduleFor(modules, isa);
  let memory: WebAssembly.Memory;
  try {
    memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: modules.shared === true });
  } catch (cause) {
    throw new TetradError('out_of_memory', `Cannot allocate memory: the engine refused ${bytes} bytes`, { cause });
  }
  return attachWasm({ module, isa, memory } satisfies WasmHandle);
}
