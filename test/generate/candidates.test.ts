import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Candidates } from '../../src/generate/candidates.ts';

/** Logits of given probabilities. */
const of = (...probabilities: number[]): Candidates => {
  const candidates = new Candidates(probabilities.length);
  candidates.reset(probabilities.map((p) => Math.log(p)));
  return candidates;
};
const kept = (candidates: Candidates, step: (candidates: Candidates) => void): number[] => {
  step(candidates);
  return [...candidates.ids];
};

describe('Candidates', () => {
  test('best() is the largest logit, the lowest id of equals; NaN never', () => {
    const candidates = new Candidates(4);
    candidates.reset([NaN, 1, 3, 3]);
    expect(candidates.best()).toBe(2);
  });

  test('topK() keeps the k likeliest, lower ids of equals, in order of id; 0 keeps all', () => {
    const all = (): Candidates => of(0.1, 0.3, 0.1, 0.4, 0.1);
    expect(kept(all(), (c) => c.topK(2))).toEqual([1, 3]);
    expect(kept(all(), (c) => c.topK(4))).toEqual([0, 1, 2, 3]);
    expect(kept(all(), (c) => c.topK(0))).toHaveLength(5);
    expect(kept(all(), (c) => c.topK(9))).toHaveLength(5);
  });

  test('topP() keeps the likeliest until they reach p: 0.5, then 0.5 + 0.3, then lower ids of equals', () => {
    const all = (): Candidates => of(0.1, 0.5, 0.3, 0.1);
    expect(kept(all(), (c) => c.topP(0.45))).toEqual([1]);
    expect(kept(all(), (c) => c.topP(0.6))).toEqual([1, 2]);
    expect(kept(all(), (c) => c.topP(0.85))).toEqual([0, 1, 2]);
    expect(kept(all(), (c) => c.topP(1))).toHaveLength(4);
    expect(kept(all(), (c) => c.topP(1e-9))).toEqual([1]);
  });

  test('topP() counts probabilities among the tokens still in play', () => {
    // After top-3: 0.4, 0.2, 0.2 of 0.8, that is 0.5, 0.25, 0.25.
    expect(kept(of(0.4, 0.2, 0.2, 0.1, 0.1), (c) => { c.topK(3); c.topP(0.7); })).toEqual([0, 1]);
  });

  test('minP() keeps those with a share of the largest: 0.5 * 0.5 = 0.25', () => {
    expect(kept(of(0.5, 0.26, 0.24), (c) => c.minP(0.5))).toEqual([0, 1]);
    expect(kept(of(0.4, 0.4, 0.2), (c) => c.minP(1))).toEqual([0, 1]);
    expect(kept(of(0.4, 0.4, 0.2), (c) => c.minP(0))).toHaveLength(3);
  });

  test('typical() keeps what is nearest to the entropy', () => {
    // p = 1/2, 1/4, 1/8, 1/8: entropy 1.75 bits, surprises 1, 2, 3, 3 bits, distances 0.75, 0.25, 1.25, 1.25.
    const all = (): Candidates => of(0.5, 0.25, 0.125, 0.125);
    expect(kept(all(), (c) => c.typical(0.2))).toEqual([1]);
    expect(kept(all(), (c) => c.typical(0.7))).toEqual([0, 1]);
    expect(kept(all(), (c) => c.typical(0.8))).toEqual([0, 1, 2]);
    expect(kept(all(), (c) => c.typical(1))).toHaveLength(4);
  });

  test('draw() inverts the distribution, ids ascending: cuts at 0.2, 0.7 and 1', () => {
    const candidates = of(0.2, 0.5, 0.3);
    expect([0, 0.19, 0.21, 0.69, 0.71, 0.999999].map((u) => candidates.draw(1, u))).toEqual([0, 0, 1, 1, 2, 2]);
  });

  test('draw() divides logits by the temperature: squares at 1/2, roots at 2', () => {
    // 0.2, 0.8 squared and normalised: 1/17, 16/17; their roots: 1/3, 2/3.
    const at = (temperature: number, u: number): number => of(0.2, 0.8).draw(temperature, u);
    expect([at(0.5, 1 / 17 - 1e-9), at(0.5, 1 / 17 + 1e-9)]).toEqual([0, 1]);
    expect([at(2, 1 / 3 - 1e-9), at(2, 1 / 3 + 1e-9)]).toEqual([0, 1]);
    expect(at(1e-300, 0)).toBe(1);
  });

  test('impossible tokens are never drawn; if all are, the lowest id is', () => {
    const candidates = new Candidates(3);
    candidates.reset([-Infinity, 0, -Infinity]);
    expect([0, 0.5, 1 - 2 ** -53].map((u) => candidates.draw(1, u))).toEqual([1, 1, 1]);
    candidates.reset([NaN, -Infinity, -Infinity]);
    candidates.topK(2);
    candidates.typical(0.5);
    candidates.topP(0.5);
    candidates.minP(0.1);
    expect(candidates.draw(1, 0)).toBe(0);
  });

  /** The definitions over a full sort. */
  const naive = {
    softmax(logits: number[], ids: number[]): Map<number, number> {
      const sum = ids.reduce((total, id) => total + Math.exp(logits[id]!), 0);
      return new Map(ids.map((id) => [id, Math.exp(logits[id]!) / sum]));
    },
    take(ids: number[], p: Map<number, number>, mass: number): number[] {
      let sum = 0;
      return ids.filter((id) => {
        const wanted = sum < mass;
        if (wanted) sum += p.get(id)!;
        return wanted;
      });
    },
  };

  test('filters equal their definitions over a full sort, for any logits', () => {
    const logit = fc.integer({ min: -40, max: 40 }).map((n) => n / 4);
    fc.assert(fc.property(
      fc.array(logit, { minLength: 1, maxLength: 60 }), fc.nat(60), fc.integer({ min: 1, max: 99 }), fc.integer({ min: 1, max: 99 }),
      (logits, k, topPercent, typicalPercent) => {
        const [top, typical] = [topPercent / 100 + 1e-7, typicalPercent / 100 + 1e-7]; // off the sums of round numbers
        const candidates = new Candidates(logits.length);
        candidates.reset(logits);
        candidates.topK(k);
        const byLogit = logits.map((_, id) => id).sort((a, b) => logits[b]! - logits[a]! || a - b);
        let ids = k === 0 ? byLogit : byLogit.slice(0, k);
        expect([...candidates.ids]).toEqual([...ids].sort((a, b) => a - b));
        let p = naive.softmax(logits, ids);
        const entropy = -ids.reduce((sum, id) => sum + p.get(id)! * Math.log(p.get(id)!), 0);
        const distance = (id: number): number => Math.round(Math.abs(-Math.log(p.get(id)!) - entropy) * 1e9);
        ids = naive.take([...ids].sort((a, b) => distance(a) - distance(b) || a - b), p, typical);
        candidates.typical(typical);
        expect([...candidates.ids]).toEqual([...ids].sort((a, b) => a - b));
        p = naive.softmax(logits, ids);
        ids = naive.take([...ids].sort((a, b) => logits[b]! - logits[a]! || a - b), p, top);
        candidates.topP(top);
        expect([...candidates.ids]).toEqual([...ids].sort((a, b) => a - b));
      },
    ), { seed: 1 });
  });
});
