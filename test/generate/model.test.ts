import { describe, expect, test } from 'vitest';
import { TetradError } from '../../src/core/errors.ts';
import type { Generation } from '../../src/generate/generation.ts';
import { Model } from '../../src/generate/model.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { BYTE_VOCAB, byteTokenizer, FakeModel } from './fake-model.ts';

const END = 256;
const config = { arch: 'llama', name: 'fake' } as ModelConfig;
const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];

function modelOf(tokens: FakeModel, tokenizer: Tokenizer = byteTokenizer(), release?: () => void): Model {
  let clock = 0;
  return new Model({ tokens, tokenizer, config, kernels: 'scalar', threads: 1, estimate: null, now: () => clock++, release });
}

/** Says `text` after a prompt of `promptLength` tokens, then the end token. */
function saying(text: string | number[], promptLength: number, context = 256): FakeModel {
  const ids = typeof text === 'string' ? bytes(text) : text;
  return new FakeModel(BYTE_VOCAB, context, [...new Array<number>(promptLength).fill(0), ...ids, END, ...new Array<number>(400).fill(END)]);
}

async function piecesOf(generation: Generation): Promise<string[]> {
  const pieces: string[] = [];
  for await (const piece of generation) pieces.push(piece);
  return pieces;
}

async function failure(action: Promise<unknown>): Promise<unknown> {
  try {
    await action;
  } catch (error) {
    return TetradError.is(error) ? error.code : error;
  }
  return 'no error';
}

describe('Model.generate()', () => {
  test('streams whole characters until the end token, and gives the result after', async () => {
    const generation = modelOf(saying('né😀!', 2)).generate('hi');
    expect(await piecesOf(generation)).toEqual(['n', 'é', '😀', '!']);
    const result = await generation.result;
    expect(result).toMatchObject({
      text: 'né😀!', tokens: bytes('né😀!'), finishReason: 'stop', usage: { promptTokens: 2, completionTokens: 8, cachedTokens: 0 },
    });
    expect(result.timings.promptMs).toBeGreaterThan(0);
    expect(result.timings.completionMs).toBeGreaterThan(0);
  });

  test('result alone runs the generation', async () => {
    expect((await modelOf(saying('abc', 1)).generate('x').result).text).toBe('abc');
  });

  test('an unfinished character becomes U+FFFD', async () => {
    expect((await modelOf(saying([0x61, 0xe4, 0xba], 1)).generate('x').result).text).toBe('a�');
  });

  test('maxTokens and the context end with length; the context is used to its last token', async () => {
    expect(await modelOf(saying('abcdef', 1)).generate('x', { maxTokens: 3 }).result).toMatchObject({ text: 'abc', finishReason: 'length' });
    // 6 places: 2 of prompt, 4 tokens run, and one more chosen from the last logits.
    expect(await modelOf(saying('abcdefghi', 2, 6)).generate('xy').result).toMatchObject({ text: 'abcde', finishReason: 'length' });
    expect(await modelOf(saying('abc', 3, 3)).generate('xyz').result).toMatchObject({ text: 'a', finishReason: 'length' });
  });

  test('a stop string ends the text before it and shows no part of it', async () => {
    const generation = modelOf(saying('one\n\ntwo', 1)).generate('x', { stop: ['\n\n'] });
    expect((await piecesOf(generation)).join('')).toBe('one');
    expect(await generation.result).toMatchObject({ text: 'one', finishReason: 'stop', tokens: bytes('one\n\n') });
  });

  test('control tokens in the prompt and the text are text and hidden, unless special', async () => {
    const fake = saying([0x61, 257, 0x62], 6);
    expect((await modelOf(fake).generate('<turn>').result).text).toBe('ab');
    expect(fake.cache.slice(0, 6)).toEqual(bytes('<turn>'));
    const shown = saying([0x61, 257, 0x62], 1);
    expect((await modelOf(shown).generate('<turn>', { special: true }).result).text).toBe('a<turn>b');
    expect(shown.cache[0]).toBe(257);
  });

  test('bos goes first where the model wants it, once', async () => {
    const first = async (prompt: string): Promise<number[]> => {
      const fake = saying('', 0);
      await modelOf(fake, byteTokenizer({ addBos: true })).generate(prompt, { special: true }).result;
      return fake.cache;
    };
    expect(await first('a')).toEqual([258, 0x61]);
    expect(await first('<s>a')).toEqual([258, 0x61]);
    expect(await first('')).toEqual([258]);
  });

  test('the same seed gives the same text, another seed another one', async () => {
    const text = async (seed: number): Promise<string> => {
      const result = await modelOf(new FakeModel(BYTE_VOCAB, 64)).generate([1, 2], { seed, maxTokens: 20 }).result;
      expect(result.seed).toBe(seed);
      return result.tokens.join();
    };
    expect(await text(5)).toBe(await text(5));
    expect(await text(5)).not.toBe(await text(6));
  });

  test.each([1, 4])('a prompt that continues the last text reuses the cache, with pages of %i, and gives the same as a fresh one', async (page) => {
    const fake = new FakeModel(BYTE_VOCAB, 128);
    fake.page = page;
    const model = modelOf(fake);
    const prompt = [1, 2, 3, 4, 5, 6];
    const { tokens } = await model.generate(prompt, { temperature: 0, maxTokens: 6 }).result;
    const longer = [...prompt, ...tokens, 9, 8];
    const again = await model.generate(longer, { temperature: 0, maxTokens: 6 }).result;
    const fresh = await modelOf(new FakeModel(BYTE_VOCAB, 128)).generate(longer, { temperature: 0, maxTokens: 6 }).result;
    expect(again.tokens).toEqual(fresh.tokens);
    expect(again.usage.cachedTokens).toBe(11); // the sixth token was chosen but never run
    expect(fresh.usage.cachedTokens).toBe(0);
    // The same prompt again: all but its last token may be kept.
    const same = await model.generate(longer, { temperature: 0, maxTokens: 6 }).result;
    expect([same.usage.cachedTokens, same.tokens]).toEqual([page === 1 ? 13 : 12, fresh.tokens]);
  });

  test('prompts run in the model\'s blocks', async () => {
    const fake = saying('', 10);
    await modelOf(fake).generate([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).result;
    expect(fake.ran).toEqual([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]);
  });

  test('other work runs during a long generation', async () => {
    let clock = 0;
    const tokens = new FakeModel(BYTE_VOCAB, 4096);
    const model = new Model({ tokens, tokenizer: byteTokenizer({ eos: [] }), config, kernels: 'scalar', threads: 1, estimate: null, now: () => (clock += 5) });
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Error('timer')), 5);
    expect(await failure(model.generate('x', { signal: abort.signal }).result)).toEqual(new Error('timer'));
  });

  test('abort rejects with the signal\'s reason between prompt blocks and between tokens, and leaves the model usable', async () => {
    const reason = new Error('enough');
    const fake = new FakeModel(BYTE_VOCAB, 256);
    const model = modelOf(fake, byteTokenizer({ eos: [] }));
    const abort = new AbortController();
    const generation = model.generate([1, 2, 3], { signal: abort.signal, temperature: 0 });
    let pieces = 0;
    await expect((async () => {
      for await (const _ of generation) if (++pieces === 3) abort.abort(reason);
    })()).rejects.toBe(reason);
    expect(pieces).toBe(3);
    await expect(generation.result).rejects.toBe(reason);
    const early = new AbortController();
    const long = model.generate(new Array<number>(100).fill(7), { signal: early.signal }).result;
    early.abort(reason);
    await expect(long).rejects.toBe(reason);
    expect(fake.position).toBeLessThan(100);
    const after = await model.generate([1, 2, 3], { temperature: 0, maxTokens: 5 }).result;
    expect(after.tokens).toEqual((await modelOf(new FakeModel(BYTE_VOCAB, 256)).generate([1, 2, 3], { temperature: 0, maxTokens: 5 }).result).tokens);
  });

  test('a reader that stops early frees the model; the result is the text so far', async () => {
    const model = modelOf(saying('abcdef', 1));
    const generation = model.generate('x');
    for await (const piece of generation) if (piece === 'c') break;
    expect(await generation.result).toMatchObject({ text: 'abc', finishReason: 'stop' });
    expect((await model.generate('x').result).text).toBe('abcdef');
  });

  test('one generation at a time: busy', async () => {
    const model = modelOf(saying('abcdef', 1));
    const reader = model.generate('x')[Symbol.asyncIterator]();
    await reader.next();
    expect(await failure(model.generate('x').result)).toBe('busy');
    await reader.return();
    expect((await model.generate('x').result).text).toBe('abcdef');
  });

  test('a generation is read once', async () => {
    const generation = modelOf(saying('a', 1)).generate('x');
    await piecesOf(generation);
    expect(await failure(piecesOf(generation))).toBe('invalid_argument');
  });

  test.each<[string, string | number[], object]>([
    ['empty_prompt', '', {}],
    ['empty_prompt', [], {}],
    ['context_overflow', 'x'.repeat(300), {}],
    ['invalid_argument', [1, 999], {}],
    ['invalid_argument', [0.5], {}],
    ['invalid_argument', 'x', { maxTokens: 0 }],
    ['invalid_argument', 'x', { maxTokens: '5' }],
    ['invalid_argument', 'x', { topP: 2 }],
    ['invalid_argument', 'x', { stop: '' }],
    ['invalid_argument', undefined as unknown as string, {}],
  ])('%s: prompt %j with %j', async (code, prompt, options) => {
    expect(await failure(modelOf(saying('a', 1)).generate(prompt, options).result)).toBe(code);
  });

  test('context_overflow says both numbers', async () => {
    await expect(modelOf(saying('a', 1, 8)).generate('123456789').result).rejects.toThrow(/9 tokens.* 8/);
  });
});

describe('Model.chat()', () => {
  test('follows the model\'s template and keeps control tokens of messages as text', async () => {
    const fake = saying('ok', 13);
    const result = await modelOf(fake).chat([{ role: 'user', content: '<turn>' }]).result;
    expect(result.text).toBe('ok');
    expect(fake.cache.slice(0, 13)).toEqual([257, ...bytes('user:<turn>'), 257]);
  });

  test('no_template on a base model', async () => {
    expect(await failure(modelOf(saying('a', 1), byteTokenizer({ chatTemplate: null })).chat([{ role: 'user', content: 'x' }]).result)).toBe('no_template');
  });
});

describe('Model.dispose()', () => {
  test('releases once; later and running generations fail with disposed', async () => {
    let released = 0;
    const model = modelOf(saying('abc', 1), byteTokenizer(), () => { released++; });
    const reader = model.generate('x')[Symbol.asyncIterator]();
    await reader.next();
    await model.dispose();
    await model[Symbol.asyncDispose]();
    expect(released).toBe(1);
    expect(await failure(reader.next())).toBe('disposed');
    expect(await failure(model.generate('x').result)).toBe('disposed');
  });

  test('await using disposes', async () => {
    let released = 0;
    {
      await using model = modelOf(saying('abc', 1), byteTokenizer(), () => { released++; });
      expect(model.context).toBe(256);
    }
    expect(released).toBe(1);
  });
});
