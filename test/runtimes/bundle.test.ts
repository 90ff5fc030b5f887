import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { build, type Metafile } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { edgeBuild } from '../../scripts/workerd.mjs';
import { root } from './having.ts';

const BUDGET = 250e3;
/** What an edge isolate or a strict Content-Security-Policy does not have. */
const FORBIDDEN = ['eval(', 'new Function', 'node:', 'createObjectURL'];

const zipped = (bytes: Uint8Array): number => gzipSync(bytes, { level: 9 }).length;
const wasm = ['simd128', 'relaxed'].reduce((sum, name) => sum + zipped(readFileSync(`${root}/dist/wasm/${name}.wasm`)), 0);

interface Bundle {
  /** What is loaded at once, without modules that are imported when they are needed. */
  readonly text: string;
  readonly inputs: readonly string[];
  readonly exports: readonly string[];
  /** Modules that are imported when they are needed. */
  readonly later: readonly string[];
}

async function bundle(condition: 'workerd' | 'browser', code = "export * from 'tetrad'"): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    ...edgeBuild(condition), stdin: { contents: code, resolveDir: root }, write: false, splitting: true, outdir: 'build/bundle',
  });
  const { outputs } = metafile as Metafile;
  const entry = Object.keys(outputs).find((path) => outputs[path]!.entryPoint === '<stdin>')!;
  const reached = new Set([entry]);
  for (const path of reached) for (const { path: to, kind } of outputs[path]!.imports) if (kind === 'import-statement' && to.endsWith('.js')) reached.add(to);
  const text = outputFiles!.filter(({ path }) => [...reached].some((one) => path.endsWith(one))).map((file) => file.text).join('\n');
  const inputsOf = (paths: Iterable<string>): string[] => [...paths].flatMap((path) => Object.keys(outputs[path]!.inputs));
  const later = Object.keys(outputs).filter((path) => path.endsWith('.js') && !reached.has(path));
  return { text, inputs: inputsOf(reached), exports: outputs[entry]!.exports, later: inputsOf(later) };
}

const makers = (inputs: readonly string[]): string[] => inputs.filter((path) => /^dist\/(?:quantize|calibrate|importers|evaluate)\//.test(path));

describe.each(['workerd', 'browser'] as const)('tetrad bundled for %s', (condition) => {
  it(`is below ${BUDGET / 1000} KB with its modules, gzip`, async () => {
    const { text } = await bundle(condition);
    const script = zipped(Buffer.from(text));
    process.stdout.write(`${condition}: ${script} bytes of JavaScript and ${wasm} of WebAssembly, gzip\n`);
    expect(script).toBeGreaterThan(10e3);
    expect(script + wasm).toBeLessThan(BUDGET);
  });

  it('has nothing that makes or measures models, and nothing that the edge lacks', async () => {
    const { text, inputs } = await bundle(condition);
    expect(inputs.length).toBeGreaterThan(50);
    expect(makers(inputs)).toEqual([]);
    expect([...FORBIDDEN, ...(condition === 'workerd' ? ['Blob', 'WebAssembly.compile', 'WebAssembly.Module(', 'Worker('] : [])].filter((what) => text.includes(what))).toEqual([]);
  });

  it('exports the names that Node has', async () => {
    expect((await bundle(condition)).exports).toEqual(expect.arrayContaining(['TetradError', 'estimate', 'load']));
  });
});

it('what packs checkpoints in a browser is a part that is loaded when there is one', async () => {
  expect(makers((await bundle('browser')).later).length).toBeGreaterThan(20);
  expect(makers((await bundle('workerd')).later)).toEqual([]);
});

it('makers() sees what packs models', async () => {
  expect(makers((await bundle('browser', "export * from './dist/quantize/run.js'")).inputs)).toContain('dist/quantize/run.js');
});
