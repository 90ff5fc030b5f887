import { describe, expect, it } from 'vitest';
import { encodeItem, parseItems } from '../../src/evaluate/choices/items.ts';
import { ChoiceScorer } from '../../src/evaluate/choices/score.ts';
import { openModel } from '../../src/surfaces/adapters/evaluation/open-model.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { readJson, tinyExpected, tinyFolder } from '../support/tiny.ts';

interface Oracle {
  readonly context: number;
  readonly items: readonly unknown[];
  readonly models: Readonly<Record<string, readonly (readonly number[])[]>>;
}

const oracle = readJson<Oracle>(tinyFolder('choices.json'));
const items = parseItems('choices.json', oracle.items.map((item) => JSON.stringify(item)).join('\n'));

describe.each(Object.keys(oracle.models))('scores of %s', (name) => {
  const { spread } = tinyExpected(name);

  it.each([[64], [7]])('equal those of transformers, %i rows of logits a pass', async (logitRows) => {
    await using decoder = await openModel({ source: tinyFolder(name), recipe: 'f32', kv: 32 }, { context: oracle.context, threads: 1, logitRows });
    const scorer = new ChoiceScorer(decoder);
    const tokenizer = new Tokenizer(decoder.manifest.tokenizer);
    for (const [i, item] of items.entries()) {
      const encoded = encodeItem(tokenizer, item);
      const scores = await scorer.score(encoded);
      scores.forEach((score, c) => {
        // A log-likelihood is a logit less a mean of logits, so it is off by twice what logits are; those of f32 are off by a few times `spread`.
        const bound = encoded.choices[c]!.length * 2 * 4 * spread;
        expect(Math.abs(score - oracle.models[name]![i]![c]!), `item ${i} choice ${c}`).toBeLessThan(bound);
      });
    }
  });
});
