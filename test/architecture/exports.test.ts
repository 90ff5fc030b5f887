import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KERNELS } from '../../src/kernels/manifest.ts';
import { read, root } from './sources.ts';

/** Parameters of each method of `Kernels`. */
const contract = new Map([...read('src/backends/backend.ts').matchAll(/^ {2}(\w+)\(([^)]*)\): void;/gm)].map(([, op, list]) => [op, list!.match(/: number/g)?.length]));

/** The relaxed build holds the plain kernels too. */
describe.each(['simd128', 'relaxed'])('%s.wasm', (build) => {
  const bytes = readFileSync(join(root, 'dist', 'wasm', `${build}.wasm`));
  const rows = KERNELS.filter(({ isa }) => build === 'relaxed' || isa === 'simd128');
  const valid = WebAssembly.validate(bytes);

  it.skipIf(!valid)('exports exactly the kernels of the manifest', () => {
    const names = WebAssembly.Module.exports(new WebAssembly.Module(bytes)).filter(({ kind }) => kind === 'function').map(({ name }) => name);
    expect(names.sort()).toEqual(rows.map(({ name }) => name).sort());
  });

  it.skipIf(!valid)('kernels take the arguments that the contract states', () => {
    const module = new WebAssembly.Module(bytes);
    expect(WebAssembly.Module.imports(module).map(({ module: from, name }) => `${from}.${name}`)).toEqual(['env.memory']);
    const { exports } = new WebAssembly.Instance(module, { env: { memory: new WebAssembly.Memory({ initial: 16 }) } });
    const arity = (kernel: unknown): number | null => (typeof kernel === 'function' ? kernel.length : null);
    expect(rows.map(({ name }) => [name, arity(exports[name])])).toEqual(rows.map(({ name, op }) => [name, contract.get(op)]));
  });
});
