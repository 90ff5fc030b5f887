import { TetradError } from '../core/errors.ts';
import type { Isa } from '../kernels/manifest.ts';
import type { OpenBackend } from './backend.ts';
import { openReference } from './reference/index.ts';
import { openWasm, type WasmModules } from './wasm/open.ts';
import { bestPath, PATHS, selfTest } from './wasm/self-test.ts';

export { attachWasm as attach, type WasmModules } from './wasm/open.ts';
export { overSharedMemory } from './wasm/shared-memory.ts';
export { bestPath, selfTest, type PathReport } from './wasm/self-test.ts';

/** How to open a backend: the one place that names the implementations. */
export interface BackendOptions {
  readonly modules: WasmModules;
  /** `auto`: the fastest path that passes the self-test. `reference`: scalar TypeScript. */
  readonly path?: Isa | 'auto' | 'reference' | undefined;
  /** A clock in milliseconds. */
  readonly now: () => number;
}

/** The self-test runs when a backend is first opened, so that reading headers does not wait for it. */
export function backendOpener({ modules, path = 'auto', now }: BackendOptions): OpenBackend {
  if (path === 'reference') return openReference;
  if (path !== 'auto' && !PATHS.includes(path)) {
    throw new TetradError('invalid_argument', `Cannot run on the path ${JSON.stringify(path)}: needed is auto, reference or one of ${PATHS.join(', ')}`);
  }
  return (bytes) => openWasm(modules, path === 'auto' ? bestPath(selfTest(modules, now)) : path, bytes);
}
