import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { overSharedMemory } from '../../src/backends/wasm/shared-memory.ts';
import { KERNELS } from '../../src/kernels/manifest.ts';
import { read, root } from './sources.ts';

/** Parameters of each method of `Kernels`. */
const contract = new Map([...read('src/backends/backend.ts').matchAll(/^ {2}(\w+)\(([^)]*)\): void;/gm)].map(([, op, list]) => [op, list!.match(/: number/g)?.length]));

const BUILDS = ['simd128', 'relaxed'];
const bytesOf = (build: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(join(root, 'dist', 'wasm', `${build}.wasm`)));

it('all modules together stay below 230 KB', () => {
  expect(BUILDS.reduce((sum, build) => sum + bytesOf(build).length, 0)).toBeLessThan(230e3);
});

/** The relaxed builds hold plain kernels where there is no relaxed one. */
describe.each(BUILDS.flatMap((build) => [[build, false], [build, true]] as const))('%s.wasm, shared memory: %s', (build, shared) => {
  const bytes = shared ? overSharedMemory(bytesOf(build)) : bytesOf(build);
  const relaxed = build === 'relaxed';
  const hasRelaxed = (op: string): boolean => KERNELS.some((row) => row.op === op && row.isa !== 'simd128');
  const rows = KERNELS.filter(({ isa, op }) => (relaxed && hasRelaxed(op) ? isa !== 'simd128' : isa === 'simd128'));
  const valid = WebAssembly.validate(bytes);

  it.skipIf(!valid)('exports exactly the kernels of the manifest', () => {
    const names = WebAssembly.Module.exports(new WebAssembly.Module(bytes)).filter(({ kind }) => kind === 'function').map(({ name }) => name);
    expect(names.sort()).toEqual(rows.map(({ name }) => name).sort());
  });

  it.skipIf(!valid)('kernels take the arguments that the contract states', () => {
    const module = new WebAssembly.Module(bytes);
    expect(WebAssembly.Module.imports(module).map(({ module: from, name }) => `${from}.${name}`)).toEqual(['env.memory']);
    const { exports } = new WebAssembly.Instance(module, { env: { memory: new WebAssembly.Memory({ initial: 16, maximum: 16, shared }) } });
    const arity = (kernel: unknown): number | null => (typeof kernel === 'function' ? kernel.length : null);
    expect(rows.map(({ name }) => [name, arity(exports[name])])).toEqual(rows.map(({ name, op }) => [name, contract.get(op)]));
  });
});

it('overSharedMemory() refuses what does not import a memory with a maximum first', () => {
  const empty = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  for (const bytes of [empty, new Uint8Array(0), empty.subarray(0, 5).slice()]) expect(() => overSharedMemory(bytes)).toThrow(/first import/);
});
