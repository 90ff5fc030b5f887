import { describe, expect, it } from 'vitest';
import { encodeItem, parseItems } from '../../src/evaluate/choices/items.ts';
import { ChoiceScorer } from '../../src/evaluate/choices/score.ts';
import { openModel } from '../../src/surfaces/adapters/evaluation/open-model.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { readJson, tinyFolder } from '../support/tiny.ts';

interface Oracle {
  readonly context: number;
  readonly items: readonly unknown[];
  readonly models: Readonly<Record<string, readonly (readonly number[])[]>>;
}

const oracle = readJson<Oracle>(tinyFolder('choices.json'));
const items = parseItems('choices.json', oracle.items.map((item) => JSON.stringify(item)).join('\n'));

describe.each(Object.keys(oracle.models))('scores of %s', (name) => {
  it.each([[64], [7]])('equal those of transformers, %i rows of logits a pass', async (logitRows) => {
    await using decoder = await openModel({ source: tinyFolder(name), recipe: 'f32', kv: 32 }, { context: oracle.context, threads: 1, logitRows });
    const scorer = new ChoiceScorer(decoder);
    const tokenizer = new Tokenizer(decoder.manifest.tokenizer);
    for (const [i, item] of items.entries()) {
      const scores = await scorer.score(encodeItem(tokenizer, item));
      // Single logits differ by some 1e-5; a choice has up to 30 tokens.
      scores.forEach((score, c) => expect(Math.abs(score - oracle.models[name]![i]![c]!), `item ${i} choice ${c}`).toBeLessThan(1e-3));
    }
  });
});
