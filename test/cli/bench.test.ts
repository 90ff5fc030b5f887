import { describe, expect, it } from 'vitest';
import { benchTests, contextNeeded, runBench, type BenchModel } from '../../src/surfaces/cli/bench-run.ts';

const live = new AbortController().signal;

/** A model whose clock advances 10 ms a block and 1 ms a token. */
function fakeModel(context = 256): { model: BenchModel; blocks: number[]; now: () => number } {
  const blocks: number[] = [];
  let position = 0;
  let clock = 0;
  const model: BenchModel = {
    context,
    vocab: 50,
    blockRoom: () => Math.min(64 - (position % 64), context - position),
    truncate: (n) => (position = n),
    forward(tokens) {
      expect(tokens.every((id) => id >= 0 && id < 50)).toBe(true);
      blocks.push(tokens.length);
      position += tokens.length;
      clock += 10 + tokens.length;
    },
  };
  return { model, blocks, now: () => clock };
}

describe('benchTests()', () => {
  it('crosses depths with prompt and generation lengths, zeros left out', () => {
    const tests = benchTests([512, 0], [128], [0, 64]);
    expect(tests).toEqual([
      { prompt: 512, gen: 0, depth: 0 }, { prompt: 0, gen: 128, depth: 0 }, { prompt: 512, gen: 0, depth: 64 }, { prompt: 0, gen: 128, depth: 64 },
    ]);
    expect(contextNeeded(tests)).toBe(576);
  });
});

describe('runBench()', () => {
  it('times blocks of a prompt without its depth, after one run to warm up', async () => {
    const { model, blocks, now } = fakeModel();
    expect(await runBench(model, { prompt: 100, gen: 0, depth: 10 }, 2, now, live)).toEqual([120e6, 120e6]);
    expect(blocks).toEqual([10, 54, 46, 10, 54, 46, 10, 54, 46]);
  });

  it('generates token by token', async () => {
    const { model, blocks, now } = fakeModel();
    expect(await runBench(model, { prompt: 0, gen: 3, depth: 0 }, 1, now, live)).toEqual([33e6]);
    expect(blocks).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('refuses what the context does not hold, and stops on abort', async () => {
    const { model, now } = fakeModel(8);
    await expect(runBench(model, { prompt: 9, gen: 0, depth: 0 }, 1, now, live)).rejects.toMatchObject({ code: 'context_overflow' });
    await expect(runBench(model, { prompt: 4, gen: 0, depth: 0 }, 1, now, AbortSignal.abort())).rejects.toThrow('abort');
  });
});
