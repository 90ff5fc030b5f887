import { describe, expect, it } from 'vitest';
import { LOCAL, having, printed, root, tiny } from './having.ts';

interface Seen {
  readonly entry: string;
  readonly texts: readonly (readonly string[])[];
  readonly total: number;
  readonly packed: string;
  readonly refusals: readonly string[];
  readonly growth: number;
}

const CYCLES = 100;
/** Models that stayed would take 9 MB on Deno and more elsewhere. */
const FLAT_BYTES = 8e6;

// The newest Node is in the digests' tests, and this one runs the usual way.
const all = await Promise.all(LOCAL.filter(({ name }) => name !== 'node26').map(async (one) => ({ ...one, got: await having(one.name) })));
const smoke = (binary: string, args: readonly string[]): Promise<Seen> =>
  printed(binary, [...args, 'test/runtimes/smoke.js', tiny, `${root}/test/fixtures/tiny/llama2`, String(CYCLES)]);

const usual = smoke(process.execPath, ['--expose-gc']);

describe.each(all)('$name', { timeout: 120_000 }, ({ got, adapter, args }) => {
  it.skipIf(got === null)(`loads, generates on 1 and 2 threads, packs, refuses as usual, and stays flat over ${CYCLES} models`, async () => {
    const { growth, entry, ...seen } = await smoke(got!.binary, args);
    const { growth: _, entry: index, ...want } = await usual;
    expect(seen).toEqual(want);
    expect(entry).toBe(adapter === 'node' ? index : `${adapter}.js`);
    expect(growth).toBeLessThan(FLAT_BYTES);
  });
});

it('the usual run loads, generates and refuses', async () => {
  const { texts, refusals } = await usual;
  expect(texts[0]![0]).toContain('Paris');
  expect(texts[1]).toEqual(texts[0]);
  expect(refusals).toEqual(['not_found', 'over_budget', 'invalid_argument']);
}, 120_000);
