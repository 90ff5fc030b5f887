import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GenerateOptions } from '../../src/generate/model.ts';
import { Model } from '../../src/generate/model.ts';
import type { Session } from '../../src/generate/session.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { byteTokenizer, BYTE_VOCAB, FakeModel } from './fake-model.ts';

const config = { arch: 'llama', name: 'fake' } as ModelConfig;
const VOCAB = 10;
const END = 9;

function fakeModel({ vocab = VOCAB, context = 400, eos = [END] }: { vocab?: number; context?: number; eos?: number[] } = {}): { fake: FakeModel; model: Model } {
  const fake = new FakeModel(vocab, context);
  fake.memory = 2;
  fake.page = 4;
  let clock = 0;
  return { fake, model: new Model({ tokens: fake, tokenizer: byteTokenizer({ eos }), config, kernels: 'scalar', threads: 1, estimate: null, now: () => clock++ }) };
}

const id = fc.nat(VOCAB - 2);
const turn = fc.record({
  prompt: fc.array(id, { maxLength: 6 }),
  options: fc.record({
    seed: fc.option(fc.nat(1000), { nil: undefined }),
    temperature: fc.constantFrom(0, 0.5, 1),
    repetitionPenalty: fc.constantFrom(1, 1.3),
    repetitionWindow: fc.constantFrom(3, 64),
    frequencyPenalty: fc.constantFrom(0, 0.3),
    presencePenalty: fc.constantFrom(0, 0.2),
    maxTokens: fc.integer({ min: 1, max: 12 }),
    speculate: fc.constantFrom<NonNullable<GenerateOptions['speculate']>[]>(false, 'auto', 3, 7),
    stop: fc.constantFrom([], ['\u0003\u0003']),
  }),
});
const turns = fc.array(turn, { minLength: 1, maxLength: 6 }).filter(([first]) => first!.prompt.length > 0);

async function tokensOf(session: Session, { prompt, options }: { prompt: readonly number[]; options: GenerateOptions }): Promise<readonly number[]> {
  const { tokens, finishReason } = await session.generate(prompt, options).result;
  return [...tokens, finishReason === 'stop' ? -1 : -2];
}

describe('Session', () => {
  test('goes on with the same tokens wherever it is restored, between any turns, whatever else the model runs', async () => {
    await fc.assert(fc.asyncProperty(turns, fc.nat(1000), fc.array(fc.constantFrom('save', 'other', 'none'), { minLength: 6, maxLength: 6 }), async (list, seed, moves) => {
      const still = fakeModel().model.session({ seed });
      let { model } = fakeModel();
      let moved = model.session({ seed });
      for (const [i, one] of list.entries()) {
        expect(await tokensOf(moved, one)).toEqual(await tokensOf(still, one));
        expect(moved.tokens).toEqual(still.tokens);
        if (moves[i] !== 'none') await model.generate([1, 2, 3], { maxTokens: 5, seed: 1 }).result;
        if (moves[i] !== 'save') continue;
        const bytes = await moved.save();
        ({ model } = fakeModel({ context: 300 + i }));
        moved = await model.restore(bytes);
        expect(await moved.save()).toEqual(bytes);
      }
    }), { numRuns: 200 });
  });

  test('gives in several turns without text between them what one turn gives', async () => {
    await fc.assert(fc.asyncProperty(turn, fc.nat(1000), fc.integer({ min: 1, max: 11 }), async ({ prompt, options }, seed, cut) => {
      const given = { ...options, seed: undefined, stop: [] };
      const whole = await fakeModel({ eos: [] }).model.session({ seed }).generate([1, ...prompt], { ...given, maxTokens: 12 }).result;
      const session = fakeModel({ eos: [] }).model.session({ seed });
      const first = await session.generate([1, ...prompt], { ...given, maxTokens: cut }).result;
      const second = await session.generate('', { ...given, maxTokens: 12 - cut }).result;
      expect([...first.tokens, ...second.tokens]).toEqual(whole.tokens);
    }), { numRuns: 200 });
  });

  test('begins like Model.generate() with its seed, and a turn with a seed like one with that', async () => {
    const options = { maxTokens: 20, temperature: 1 };
    const { model } = fakeModel();
    const want = (await model.generate([1, 2], { ...options, seed: 7 }).result).tokens;
    expect((await model.session({ seed: 7 }).generate([1, 2], options).result).tokens).toEqual(want);
    const session = model.session({ seed: 3 });
    expect(await session.generate([1, 2], { ...options, seed: 7 }).result).toMatchObject({ tokens: want, seed: 7 });
    expect((await session.generate('', options).result).seed).toBe(7);
  });

  test('runs only what the cache lacks', async () => {
    const { fake, model } = fakeModel();
    const session = model.session();
    await session.generate([1, 2, 3], { maxTokens: 4 }).result;
    fake.ran.length = 0;
    const { usage } = await session.generate([5], { maxTokens: 1 }).result;
    expect(usage.promptTokens - usage.cachedTokens).toBeLessThanOrEqual(2);
    expect(fake.ran.flat().length).toBeLessThanOrEqual(2);
  });

  test('stays as it was after a turn that fails or is aborted, and keeps what was read of one that is not read to its end', async () => {
    const { model } = fakeModel({ eos: [] });
    const session = model.session({ seed: 5 });
    await session.generate([1, 2], { maxTokens: 3 }).result;
    const before = await session.save();
    const stop = new AbortController();
    await expect((async () => {
      for await (const _ of session.generate([3], { signal: stop.signal })) stop.abort(new Error('enough'));
    })()).rejects.toThrow('enough');
    await expect(session.generate([99]).result).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(session.generate('', { seed: 1.5 }).result).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(session.generate('', { temperature: -1 }).result).rejects.toMatchObject({ code: 'invalid_argument' });
    expect(await session.save()).toEqual(before);

    const generation = session.generate([3], { maxTokens: 50 });
    let pieces = 0;
    for await (const _ of generation) if (++pieces === 4) break;
    expect(session.tokens).toEqual([1, 2, ...session.tokens.slice(2, 5), 3, ...(await generation.result).tokens]);
    expect(pieces).toBe(4);
  });

  test('is busy while a generation runs, and fails with disposed afterwards', async () => {
    const { model } = fakeModel({ eos: [] });
    const session = model.session();
    const bytes = await session.save();
    for await (const _ of session.generate([1], { maxTokens: 4 })) {
      await expect(session.save()).rejects.toMatchObject({ code: 'busy' });
      await expect(model.restore(bytes)).rejects.toMatchObject({ code: 'busy' });
      await expect(session.generate([2]).result).rejects.toMatchObject({ code: 'busy' });
    }
    expect(session.tokens).toHaveLength(5);
    await model.dispose();
    await expect(session.save()).rejects.toMatchObject({ code: 'disposed' });
    await expect(model.restore(bytes)).rejects.toMatchObject({ code: 'disposed' });
    await expect(session.generate('').result).rejects.toMatchObject({ code: 'disposed' });
  });

  test('without tokens is saved and restored; to continue it, text is needed', async () => {
    const { model } = fakeModel();
    const session = await model.restore(await model.session({ seed: 4 }).save());
    expect(session.tokens).toEqual([]);
    await expect(session.generate('').result).rejects.toMatchObject({ code: 'empty_prompt' });
    const want = (await model.session({ seed: 4 }).generate([1], { maxTokens: 9 }).result).tokens;
    expect((await session.generate([1], { maxTokens: 9 }).result).tokens).toEqual(want);
  });

  test('that fills the context is saved and restored', async () => {
    const { model } = fakeModel({ context: 20, eos: [] });
    const session = model.session();
    expect((await session.generate([1, 2]).result).finishReason).toBe('length');
    const again = await model.restore(await session.save());
    expect(again.tokens).toEqual(session.tokens);
    await expect(again.generate('').result).rejects.toMatchObject({ code: 'context_overflow' });
  });
});

describe('Session.chat()', () => {
  const chatty = () => fakeModel({ vocab: BYTE_VOCAB, context: 2000, eos: [256] });
  /** Letters only, so that an answer is the tokens of its text. */
  const logitBias = Object.fromEntries(Array.from({ length: BYTE_VOCAB }, (_, token) => [token, token >= 97 && token <= 122 ? 0 : -Infinity]));
  const options = { maxTokens: 6, logitBias };

  test('answers as Model.chat() does with all messages, and runs none of them twice', async () => {
    const { fake, model } = chatty();
    const session = model.session({ seed: 1 });
    const first = await session.chat([{ role: 'system', content: 'be kind' }, { role: 'user', content: 'hello' }], options).result;
    const second = await session.chat('and again', { ...options, seed: 8 }).result;
    expect(second.usage.cachedTokens).toBeGreaterThan(first.usage.promptTokens - fake.page);
    expect(session.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user', 'assistant']);
    const want = await chatty().model.chat(session.messages.slice(0, 4), { ...options, seed: 8 }).result;
    expect(second.tokens).toEqual(want.tokens);
    expect(session.messages.at(-1)!.content).toBe(want.text);
  });

  test('goes on where it was saved, with further fields of messages', async () => {
    const { model } = chatty();
    const session = model.session({ seed: 2 });
    const message = { role: 'user', content: 'hello', name: 'ann', more: { deep: [1, null] } };
    await session.chat(message, options).result;
    (message.more.deep as unknown[]).push('changed');
    const again = await chatty().model.restore(await session.save());
    expect(again.messages).toEqual(session.messages);
    expect(again.messages[0]).toMatchObject({ name: 'ann', more: { deep: [1, null] } });
    const [want, got] = [await session.chat('more', options).result, await again.chat('more', options).result];
    expect([got.tokens, got.usage]).toEqual([want.tokens, want.usage]);
  });

  test('keeps to conversations, and generate() to texts', async () => {
    const { model } = chatty();
    const [text, talk] = [model.session(), model.session()];
    await text.generate('abc', options).result;
    await talk.chat('abc', options).result;
    await expect(text.chat('x').result).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(talk.generate('x').result).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(model.session().chat({ role: 'user', content: 'x', big: 1n }).result).rejects.toMatchObject({ code: 'invalid_argument' });
    expect(() => model.session({ seed: -1 })).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
    await expect(model.session().chat([]).result).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});
