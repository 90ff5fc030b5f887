import { describe, expect, test } from 'vitest';
import { TetradError } from '../../src/core/errors.ts';
import { Candidates } from '../../src/generate/candidates.ts';
import { Sampler } from '../../src/generate/sampler.ts';
import { resolveSampling, type SamplingOptions } from '../../src/generate/sampling-options.ts';

const samplerFor = (vocab: number, options: SamplingOptions, prompt: number[] = []): Sampler =>
  new Sampler(new Candidates(vocab), resolveSampling(options, vocab), prompt);
const greedy = (options: SamplingOptions, prompt: number[], ...steps: number[][]): number[] => {
  const sampler = samplerFor(steps[0]!.length, { temperature: 0, ...options }, prompt);
  return steps.map((logits) => sampler.next(logits));
};
const off: SamplingOptions = { temperature: 1, topK: 0, topP: 1, minP: 0 };

describe('Sampler', () => {
  test('temperature 0 takes the likeliest, the lowest id of equals, whatever the filters', () => {
    expect(greedy({ typicalP: 0.01 }, [], [1, 5, 5], [0, 0, 0])).toEqual([1, 0]);
  });

  test('repetitionPenalty divides positive and multiplies negative logits of recent tokens', () => {
    expect(greedy({ repetitionPenalty: 2 }, [0], [4, 2.1, 0])).toEqual([1]); // 4 / 2 < 2.1
    expect(greedy({ repetitionPenalty: 2 }, [0], [4, 1.9, 0])).toEqual([0]);
    expect(greedy({ repetitionPenalty: 2 }, [0], [-1, -1.9, -9])).toEqual([1]); // -1 * 2 < -1.9
  });

  test('repetitionPenalty counts a token once and looks back repetitionWindow tokens of prompt and completion', () => {
    expect(greedy({ repetitionPenalty: 2 }, [0, 0, 0], [4, 1.9])).toEqual([0]);
    expect(greedy({ repetitionPenalty: 2, repetitionWindow: 1 }, [0, 1], [4, 3.9, 0])).toEqual([0]);
    expect(greedy({ repetitionPenalty: 2, repetitionWindow: 2 }, [0, 1], [4, 3.9, 3])).toEqual([2]);
    expect(greedy({ repetitionPenalty: 2, repetitionWindow: 0 }, [0, 1], [4, 3.9, 3])).toEqual([0]);
    expect(greedy({ repetitionPenalty: 2, repetitionWindow: 1 }, [], [4, 3], [4, 3], [4, 3])).toEqual([0, 1, 0]);
  });

  test('frequencyPenalty grows with each occurrence in the completion, not in the prompt', () => {
    const step = [2.5, 0, -9];
    expect(greedy({ frequencyPenalty: 1 }, [0, 0, 0], step, step, step, step)).toEqual([0, 0, 0, 1]); // 2.5, 1.5, 0.5, -0.5
  });

  test('presencePenalty is taken once', () => {
    const step = [1.5, 0, -9];
    expect(greedy({ presencePenalty: 1 }, [0], step, step, step)).toEqual([0, 0, 0]); // 1.5, 0.5, 0.5
    expect(greedy({ presencePenalty: 2 }, [0], step, step, step)).toEqual([0, 1, 0]); // -0.5, then -0.5 against -2
  });

  test('logitBias adds to logits after the penalties, and -Infinity bans', () => {
    expect(greedy({ logitBias: { 2: 3.5 } }, [], [3, 0, 0])).toEqual([2]);
    expect(greedy({ logitBias: { 0: -Infinity } }, [], [3, 0, 0])).toEqual([1]);
    expect(greedy({ logitBias: { 0: 2 }, repetitionPenalty: 2 }, [0], [2, 2.9])).toEqual([0]); // 2 / 2 + 2 > 2.9 > (2 + 2) / 2
  });

  test('filters come after bias, and top-k before top-p', () => {
    const only = (options: SamplingOptions, logits: number[]): Set<number> => {
      const seen = new Set<number>();
      for (let seed = 0; seed < 60; seed++) seen.add(samplerFor(logits.length, { ...off, ...options, seed }).next(logits));
      return seen;
    };
    expect(only({ topK: 1, logitBias: { 1: 5 } }, [3, 0, 0])).toEqual(new Set([1]));
    const fifths = [0.4, 0.2, 0.2, 0.2].map(Math.log);
    expect(only({ topP: 0.5 }, fifths)).toEqual(new Set([0, 1])); // 0.4 + 0.2
    expect(only({ topP: 0.5, topK: 2 }, fifths)).toEqual(new Set([0])); // 0.4 / 0.6
    expect(only({}, fifths)).toEqual(new Set([0, 1, 2, 3]));
  });

  test('draws follow the distribution: 8000 draws within five standard deviations', () => {
    const probabilities = [0.5, 0.3, 0.15, 0.05];
    const sampler = samplerFor(4, { ...off, seed: 7 });
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 8000; i++) counts[sampler.next(probabilities.map(Math.log))]!++;
    probabilities.forEach((p, id) => expect(Math.abs(counts[id]! - 8000 * p)).toBeLessThan(5 * Math.sqrt(8000 * p * (1 - p))));
  });

  test('a seed repeats its tokens, frozen here for all engines', () => {
    const logits = Array.from({ length: 1000 }, (_, id) => ((id * 7919) % 1000) / 100);
    const tokens = (seed: number): number[] => {
      const sampler = samplerFor(1000, { seed, typicalP: 0.9, repetitionPenalty: 1.1, frequencyPenalty: 0.5 });
      return Array.from({ length: 12 }, () => sampler.next(logits));
    };
    expect(tokens(42)).toEqual(tokens(42));
    expect(tokens(42)).not.toEqual(tokens(43));
    expect(tokens(42)).toMatchInlineSnapshot(`
      [
        457,
        25,
        642,
        741,
        889,
        778,
        852,
        198,
        531,
        593,
        247,
        346,
      ]
    `);
  });
});

describe('resolveSampling()', () => {
  test('fills in llama.cpp\'s defaults and a seed', () => {
    const { seed, ...rest } = resolveSampling({}, 10);
    expect(rest).toEqual({
      temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05, typicalP: 1, repetitionPenalty: 1, repetitionWindow: 64,
      frequencyPenalty: 0, presencePenalty: 0, logitBias: [],
    });
    expect(Number.isSafeInteger(seed)).toBe(true);
  });

  test.each<[string, unknown]>([
    ['temperature', -0.1], ['temperature', NaN], ['temperature', '1'], ['topK', 1.5], ['topK', -1], ['topP', 0], ['topP', 1.1], ['minP', -1],
    ['minP', 2], ['typicalP', 0], ['repetitionPenalty', 0], ['repetitionWindow', -1], ['frequencyPenalty', 2.1], ['presencePenalty', -3],
    ['seed', -1], ['seed', 0.5], ['seed', 2 ** 53], ['logitBias', 3], ['logitBias', { 10: 1 }], ['logitBias', { x: 1 }], ['logitBias', { 1: NaN }],
    ['logitBias', { 1: Infinity }], ['logitBias', { 1: '2' }],
  ])('%s = %j is invalid_argument and named', (name, value) => {
    let error: unknown;
    try {
      resolveSampling({ [name]: value } as SamplingOptions, 10);
    } catch (caught) {
      error = caught;
    }
    expect(TetradError.is(error) && error.code).toBe('invalid_argument');
    expect((error as Error).message).toContain(name);
  });
});
