import { describe, expect, it } from 'vitest';
import { encodeItem, parseItems, type EncodedItem } from '../../src/evaluate/choices/items.ts';
import { accuracyOf, ChoiceScorer, judge, type ChoiceModel } from '../../src/evaluate/choices/score.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { tinyTokenizer } from '../support/tiny-model.ts';

const line = (value: unknown): string => JSON.stringify(value);

describe('parseItems()', () => {
  it('takes both spellings of the fields, digits as the label, ids and blank lines', () => {
    const text = [line({ query: 'a', choices: ['b', 'c'], gold: 1 }), '', line({ ctx: 'd', choices: ['e', 'f'], label: '0', id: 7 }), ''].join('\n');
    expect(parseItems('t.jsonl', text)).toEqual([
      { context: 'a', choices: ['b', 'c'], gold: 1, id: '1' }, { context: 'd', choices: ['e', 'f'], gold: 0, id: '7' },
    ]);
  });

  it.each([
    ['{', 'it is not JSON'],
    ['[1]', 'it is no JSON object'],
    [line({ choices: ['a', 'b'], gold: 0 }), 'there is no "query"'],
    [line({ query: 'q', gold: 0 }), 'there are no "choices"'],
    [line({ query: 'q', choices: ['a'], gold: 0 }), 'there are no "choices"'],
    [line({ query: 'q', choices: ['a', ''], gold: 0 }), 'strings that are not empty'],
    [line({ query: 'q', choices: ['a', 'b'], gold: 2 }), '"gold" (or "label") is 2, needed is an index from 0 to 1'],
    [line({ query: 'q', choices: ['a', 'b'], gold: 0.5 }), 'is 0.5'],
    [line({ query: 'q', choices: ['a', 'b'], label: 'a' }), 'is "a"'],
    [line({ query: 'q', choices: ['a', 'b'] }), 'is missing'],
    [line({ query: 'q', choices: ['a', 'b'], gold: 0, id: {} }), '"id"'],
  ])('refuses %s, naming file and line', (bad, why) => {
    const good = line({ query: 'q', choices: ['a', 'b'], gold: 0 });
    expect(() => parseItems('t.jsonl', `${good}\n${bad}\n`)).toThrow(expect.objectContaining({ code: 'invalid_file', message: expect.stringContaining('Cannot read line 2 of t.jsonl: ') }));
    expect(() => parseItems('t.jsonl', `${good}\n${bad}\n`)).toThrow(why);
  });

  it('refuses a file without questions', () => expect(() => parseItems('t.jsonl', '\n\n')).toThrow('Cannot read t.jsonl: it has no questions'));
});

describe('encodeItem()', () => {
  const tokenizer = new Tokenizer(tinyTokenizer());
  const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];
  const encode = (context: string, ...choices: string[]) => encodeItem(tokenizer, { context, choices, gold: 0, id: 'x' });

  it('puts one space between context and choice unless one of them has white space there', () => {
    expect(encode('ab', 'c', ' d').choices).toEqual([bytes(' c'), bytes(' d')]);
    expect(encode('ab\n ', 'c', 'd').choices).toEqual([bytes('\n c'), bytes('\n d')]);
    expect(encode('ab\n ', 'c').context).toEqual(bytes('ab'));
  });

  it('begins an empty context with bos', () => {
    expect(encode('', 'c', 'd')).toEqual({ context: [256], choices: [bytes(' c'), bytes(' d')], id: 'x' });
  });
});

/** After a token t, token t + 1 has log-likelihood `log 1/2` whatever came before, all others share the rest; counts the tokens it runs. */
function countingModel(context: number): ChoiceModel & { ran: number; readonly cache: number[] } {
  const vocab = 10;
  const cache: number[] = [];
  return {
    context, vocab, cache, logitRows: 4, ran: 0,
    get position() {
      return cache.length;
    },
    blockRoom: () => Math.min(5, context - cache.length),
    truncate(n) {
      cache.length = Math.min(cache.length, n % 3 === 2 ? n - 1 : n); // as a packed page does
      return cache.length;
    },
    forwardRows(tokens, rows) {
      if (tokens.length > 5 || cache.length + tokens.length > context) throw new Error('too many tokens');
      this.ran += tokens.length;
      const logits = Array.from(tokens, (token) => {
        cache.push(token);
        return Float32Array.from({ length: vocab }, (_, i) => (i === (token + 1) % vocab ? Math.log(9) : 0));
      });
      return logits.slice(-rows);
    },
  };
}

describe('ChoiceScorer', () => {
  const item = (context: number[], ...choices: number[][]): EncodedItem => ({ context, choices, id: 'x' });

  it('sums the log-likelihoods of each choice given the context', async () => {
    const scores = await new ChoiceScorer(countingModel(64)).score(item([1, 2, 3], [4, 5], [4, 4], [7], [4, 5, 6, 7, 8, 9, 0, 1]));
    const [hit, miss] = [Math.log(1 / 2), Math.log(1 / 18)];
    [2 * hit, hit + miss, miss, 8 * hit].forEach((sum, i) => expect(scores[i]).toBeCloseTo(sum, 6));
  });

  it('runs a context once for all its choices, and what questions share once for all', async () => {
    const model = countingModel(64);
    const scorer = new ChoiceScorer(model);
    const context = Array.from({ length: 31 }, (_, i) => i % 10); // 30 shared tokens: truncate() keeps them
    await scorer.score(item(context, [4], [5], [6]));
    expect(model.ran).toBe(31 + 2);
    await scorer.score(item([...context, 1], [4]));
    expect(model.ran).toBe(33 + 1);
  });

  it('drops the front of what is longer than the context', async () => {
    const model = countingModel(6);
    const [score] = await new ChoiceScorer(model).score(item([9, 9, 9, 1, 2, 3], [4, 5]));
    expect(score).toBeCloseTo(2 * Math.log(1 / 2), 6);
    expect(model.cache).toEqual([9, 9, 1, 2, 3, 4]);
    await expect(new ChoiceScorer(model).score(item([1], [1, 2, 3, 4, 5, 6, 7]))).rejects.toMatchObject({ code: 'context_overflow' });
  });

  it('stops on abort and scores rightly afterwards', async () => {
    const scorer = new ChoiceScorer(countingModel(64));
    await expect(scorer.score(item([1, 2, 3], [4]), AbortSignal.abort())).rejects.toThrow(/abort/i);
    expect((await scorer.score(item([1, 2, 3], [4])))[0]).toBeCloseTo(Math.log(1 / 2), 6);
  });
});

describe('accuracyOf()', () => {
  const items = [0, 1, 0, 1].map((gold, i) => ({ context: '', choices: ['no', 'naïve!'], gold, id: String(i) }));

  it('counts by log-likelihood, and by log-likelihood for each byte', () => {
    // "naïve!" has 7 bytes: -3 / 2 < -7 / 7.
    expect(judge(items[0]!, [-3, -7])).toEqual({ right: true, rightNorm: false });
    expect(judge(items[1]!, [-3, -7])).toEqual({ right: false, rightNorm: true });
    expect(judge(items[0]!, [-1, -1])).toEqual({ right: true, rightNorm: false });
  });

  it('gives shares with the standard error of a sample', () => {
    const scores = [[-3, -7], [-7, -3], [-3, -7], [-3, -7]];
    const error = (p: number): number => Math.sqrt((p * (1 - p)) / 3);
    expect(accuracyOf(items, scores)).toEqual({ acc: 0.75, accError: error(0.75), accNorm: 0.5, accNormError: error(0.5), items: 4 });
    expect(accuracyOf(items.slice(0, 1), scores).accError).toBe(0);
  });
});
