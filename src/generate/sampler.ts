import { Random } from '../core/random.ts';
import type { Candidates } from './candidates.ts';
import type { Sampling } from './sampling-options.ts';

/** Chooses tokens; see `SamplingOptions` for the steps. All arithmetic is f64 by exactly specified operations. */
export class Sampler {
  readonly #sampling: Sampling;
  readonly #random: Random;
  readonly #candidates: Candidates;
  readonly #history: number[]; // prompt and completion, as far as the window may need it
  readonly #counts = new Map<number, number>(); // completion only

  /** `candidates`: scratch memory, which several samplers may share. */
  constructor(candidates: Candidates, sampling: Sampling, prompt: readonly number[] = []) {
    this.#sampling = sampling;
    this.#random = Random.seeded(sampling.seed);
    this.#candidates = candidates;
    this.#history = sampling.repetitionWindow > 0 ? prompt.slice(-sampling.repetitionWindow) : [];
  }

  /** The next token for `logits` [vocab], and takes it into account from here on. */
  next(logits: ArrayLike<number>): number {
    const { temperature, topK, typicalP, topP, minP } = this.#sampling;
    const candidates = this.#candidates;
    candidates.reset(logits);
    this.#penalise();
    if (temperature === 0) return this.#accept(candidates.best());
    candidates.topK(topK);
    candidates.typical(typicalP);
    candidates.topP(topP);
    candidates.minP(minP);
    return this.#accept(candidates.draw(temperature, this.#random.next()));
  }

  #penalise(): void {
    const { repetitionPenalty, repetitionWindow, frequencyPenalty, presencePenalty, logitBias } = this.#sampling;
    const { logits } = this.#candidates;
    if (repetitionPenalty !== 1 && repetitionWindow > 0) {
      for (const id of new Set(this.#history.slice(-repetitionWindow))) {
        logits[id] = logits[id]! > 0 ? logits[id]! / repetitionPenalty : logits[id]! * repetitionPenalty;
      }
    }
    for (const [id, count] of this.#counts) logits[id]! -= count * frequencyPenalty + presencePenalty;
    for (const [id, bias] of logitBias) logits[id]! += bias;
  }

  #accept(id: number): number {
    this.#history.push(id);
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    return id;
  }
}
