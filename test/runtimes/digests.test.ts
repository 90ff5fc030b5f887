import { mkdirSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { openPage } from '../../bench/browser/open-page.ts';
import { serveWorker } from '../../scripts/workerd.mjs';
import { load } from '../../src/index.ts';
import { f32, tinyMetadata, tinyTensors, writeGguf } from '../support/gguf.ts';
import { LOCAL, embedded, having, havingBrowser, printed, root, tiny } from './having.ts';

interface Row {
  readonly path: string;
  readonly threads: number;
  readonly digest: string;
  readonly tiny: string;
  readonly reference: string;
}

const PATHS = ['simd128', 'relaxed-i32'];
const GGUF = 'build/tiny.gguf';
const onTwo = JSON.stringify({ paths: PATHS, threads: [2] });
const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";

const local = await Promise.all(LOCAL.map(async (one) => ({ ...one, got: await having(one.name) })));
const workerd = await having('workerd');

/** What this Node's plain path gives on 1 thread; the suites below compare with it. */
let want: Row;
/** What it generates from a GGUF file that it packs. */
let packed = '';
beforeAll(async () => {
  const values = (bytes: number): number[] => Array.from({ length: bytes / 4 }, (_, i) => (((i * 7919 + 13) % 101) - 50) / 100);
  const tensors = tinyTensors.map((tensor) => ({ ...tensor, data: f32(...values(tensor.data.length)) }));
  mkdirSync(`${root}/build`, { recursive: true });
  writeFileSync(`${root}/${GGUF}`, writeGguf({ metadata: tinyMetadata, tensors }));
  const model = await load(`${root}/${GGUF}`, { context: 64, threads: 1 });
  packed = (await model.generate([1, 2], { maxTokens: 8, temperature: 0 }).result).text;
  await model.dispose();
  const options = JSON.stringify({ paths: ['simd128'], threads: [1] });
  [want] = await printed<[Row]>(process.execPath, ['scripts/digests/local.js', 'node', options]);
});
const rows = (paths: readonly string[], threads: number): Row[] => paths.map((path) => ({ ...want, path, threads }));

it('the program tells models apart, and its scalar kernels agree with the others', () => {
  expect(want.digest).toMatch(/^[0-9a-f]{64}$/);
  expect(want.digest).not.toBe(want.tiny);
  expect(want.reference).toBe(want.tiny);
  expect(packed.length).toBeGreaterThan(0);
});

describe.each(local)('$name', { timeout: 120_000 }, ({ name, got, adapter, args }) => {
  it.skipIf(got === null)('gives the same logits on 2 threads', async () => {
    const paths = name === 'node20' ? ['simd128'] : PATHS; // V8 has relaxed SIMD since Node 21
    expect(await printed(got!.binary, [...args, 'scripts/digests/local.js', adapter, onTwo])).toEqual(rows(paths, 2));
  });
});

it.skipIf(workerd === null)('workerd gives the same logits', { timeout: 120_000 }, async () => {
  const worker = await serveWorker({ binary: workerd!.binary, entry: 'scripts/digests/worker.js', disks: { embedded, tiny } });
  try {
    const response = await fetch(worker.origin, { method: 'POST', body: JSON.stringify({ paths: PATHS }) });
    expect(await response.json()).toEqual(rows(PATHS, 1));
  } finally {
    await worker.stop();
  }
});

describe.each(['chromium', 'firefox'] as const)('%s, under a strict Content-Security-Policy', { timeout: 120_000 }, (name) => {
  const missing = !havingBrowser(name);
  const posted = async (where: string, isolated: boolean): Promise<object> => {
    const options = JSON.stringify({ ...(isolated ? { paths: ['relaxed-i32'], threads: [2] } : { paths: ['simd128'] }), gguf: `/${GGUF}` });
    return (await openPage(name, `scripts/digests/page.html?where=${where}&options=${encodeURIComponent(options)}`, { isolated, policy: POLICY })).posted;
  };

  it.skipIf(missing).each(['page', 'worker'])('gives the same logits on 2 threads, led from a %s, and packs a GGUF file', async (where) => {
    expect(await posted(where, true)).toMatchObject({ rows: rows(['relaxed-i32'], 2), packed, isolated: true, notes: [] });
  });

  it.skipIf(missing)('gives them on 1 thread without shared memory, and says so', async () => {
    const seen = await posted('worker', false);
    expect(seen).toMatchObject({ rows: rows(['simd128'], 1), isolated: false, text: ' Paris.\n\nThe answer is:' });
    expect(seen).toMatchObject({ notes: ['Running on 1 thread: the page is not cross-origin isolated'] });
  });
});
