import { describe, expect, it } from 'vitest';
import { linearSpecs } from '../../src/models/sites.ts';
import { choose } from '../../src/quantize/choices.ts';
import { withOverrides } from '../../src/quantize/overrides.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { tinySamples } from '../support/samples.ts';
import { tinyStore } from '../support/tiny-model.ts';

const store = tinyStore();
const samples = tinySamples(store.config);
const specs = linearSpecs(store.config).filter(({ site }) => site !== 'output');
const blocks = (cols: number): number => Math.ceil(cols / 32);
const chosen = (share: number, losses?: ReadonlyMap<string, number>) =>
  choose(store, withOverrides(recipe('w4ax'), ['act.block=32', `split.0.share=${share}`, 'split.0.over=model']), samples, { losses });
/** Part of the products whose inputs moved. */
const work = (moved: ReadonlyMap<string, number>): number => {
  const total = specs.reduce((sum, { rows, cols }) => sum + rows * blocks(cols), 0);
  return specs.reduce((sum, { name, rows }) => sum + rows * moved.get(name)!, 0) / total;
};

describe('choose() over the model', () => {
  it.each([0.1, 0.25, 0.5, 0.9])('moves blocks that make up %d of the work, to within a block', async (share) => {
    const { moved } = await chosen(share);
    const largest = Math.max(...specs.map(({ rows }) => rows)) / specs.reduce((sum, { rows, cols }) => sum + rows * blocks(cols), 0);
    expect(Math.abs(work(moved) - share)).toBeLessThan(2 * largest);
  });

  it('moves nothing at 0 and everything at 1', async () => {
    expect(Math.max(...(await chosen(0)).moved.values())).toBe(0);
    expect(work((await chosen(1)).moved)).toBe(1);
  });

  it('gives the linears whose loss is large their blocks first, the short last blocks aside', async () => {
    const losses = new Map(specs.map(({ name }) => [name, name === 'layers.1.attn.o' ? 1 : 1e-6]));
    const { moved } = await chosen(0.12, losses);
    expect(moved.get('layers.1.attn.o')).toBe(3);
  });

  it('gives every order all channels once', async () => {
    for (const [name, order] of (await chosen(0.3)).orders) expect([...order].sort((a, b) => a - b), name).toEqual([...order.keys()]);
  });
});
