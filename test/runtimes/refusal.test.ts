import { expect, it } from 'vitest';
import { having, printed } from './having.ts';

const refusal = { code: 'no_kernel', message: expect.stringMatching(/^Cannot compile the kernels: the engine says ".*", needed is WebAssembly with SIMD$/) };
const [bun, deno] = [await having('bun'), await having('deno')];

// V8 says "Wasm SIMD unsupported" where a processor lacks SSE 4.1: only x64 can be told so.
it.skipIf(process.arch !== 'x64')('load() refuses on Node without WebAssembly SIMD', async () => {
  expect(await printed(process.execPath, ['--no-enable-sse4-1', 'test/runtimes/refusal.js'])).toEqual(refusal);
});

it.skipIf(bun === null)('load() refuses on Bun without WebAssembly SIMD', async () => {
  expect(await printed(bun!.binary, ['test/runtimes/refusal.js'], { BUN_JSC_useWasmSIMD: '0' })).toEqual(refusal);
});

it.skipIf(deno === null)('load() says which permission is missing on Deno', async () => {
  const args = ['run', '--no-prompt', '--allow-read=dist,node_modules,package.json', 'test/runtimes/refusal.js'];
  expect(await printed(deno!.binary, args)).toEqual({ code: 'io_error', message: expect.stringMatching(/^Cannot read .*: .*read access to .*--allow-read/) });
});
