import { describe, expect, it } from 'vitest';
import { pause as messagePause } from '../../src/core/pause.ts';
import { Model } from '../../src/generate/model.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { BYTE_VOCAB, byteTokenizer, FakeModel } from './fake-model.ts';

const A = 97;

/** Pauses of a generation of 40 tokens, by a clock that goes `step` ms further each time it is asked. */
async function pausesOf(step: number): Promise<number> {
  let clock = 0;
  let pauses = 0;
  const model = new Model({
    tokens: new FakeModel(BYTE_VOCAB, 1000, [A]), tokenizer: byteTokenizer(), config: { arch: 'llama' } as ModelConfig, kernels: 'scalar', threads: 1, estimate: null,
    now: () => (clock += step), pause: async () => void pauses++,
  });
  const { tokens } = await model.generate([A], { maxTokens: 40, speculate: false }).result;
  expect(tokens).toHaveLength(40);
  return pauses;
}

describe('TokenRun: other work gets a turn', () => {
  it('after each token but the last where the clock stands still', async () => {
    expect(await pausesOf(0)).toBe(39);
  });

  it('every 16 ms where it goes', async () => {
    const asked = 39 * 8; // at most, besides the prompt
    expect(await pausesOf(1)).toBeGreaterThan(2);
    expect(await pausesOf(1)).toBeLessThan(asked / 16 + 1);
    expect(await pausesOf(16)).toBe(39);
  });

  it('within blocks of a long prompt too', async () => {
    let pauses = 0;
    const fake = new FakeModel(BYTE_VOCAB, 1000, [A]);
    const model = new Model({
      tokens: fake, tokenizer: byteTokenizer(), config: { arch: 'llama' } as ModelConfig, kernels: 'scalar', threads: 1, estimate: null, now: () => 0, pause: async () => void pauses++,
    });
    await model.generate(new Array<number>(40).fill(A), { maxTokens: 1 }).result;
    expect(pauses).toBe(fake.ran.length - 1);
  });

  it('a still clock lets a timer abort a generation that has no end', async () => {
    const stop = new AbortController();
    const fake = new FakeModel(BYTE_VOCAB, 1e6, [A]);
    const model = new Model({ tokens: fake, tokenizer: byteTokenizer(), config: { arch: 'llama' } as ModelConfig, kernels: 'scalar', threads: 1, estimate: null, now: () => 0 });
    setTimeout(() => stop.abort(new Error('enough')), 20);
    await expect(model.generate([A], { signal: stop.signal }).result).rejects.toThrow('enough');
    expect(fake.ran.length).toBeGreaterThan(1);
  });
});

it('pause() lets a timer that is due run, with and without MessageChannel', async () => {
  const { MessageChannel } = globalThis;
  for (const channel of [MessageChannel, undefined]) {
    globalThis.MessageChannel = channel as typeof MessageChannel;
    try {
      let ran = false;
      setTimeout(() => (ran = true), 1);
      for (let turn = 0; turn < 1e5 && !ran; turn++) await messagePause();
      expect(ran).toBe(true);
    } finally {
      globalThis.MessageChannel = MessageChannel;
    }
  }
});
