import { describe, expect, it } from 'vitest';
import { bundle, shippedBytes } from '../../scripts/bundle.mjs';

const BUDGET = 250e3;
/** What an edge isolate or a strict Content-Security-Policy does not have. */
const FORBIDDEN = ['eval(', 'new Function', 'node:', 'createObjectURL'];

const makers = (inputs: readonly string[]): string[] => inputs.filter((path) => /^dist\/(?:quantize|calibrate|importers|evaluate)\//.test(path));

describe.each(['workerd', 'browser'] as const)('tetrad bundled for %s', (condition) => {
  it(`is below ${BUDGET / 1000} KB with its modules, gzip`, async () => {
    const { script, wasm } = shippedBytes(await bundle(condition));
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
