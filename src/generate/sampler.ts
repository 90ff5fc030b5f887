import { Random } from '../core/random.ts';
import type { Candidates } from './candidates.ts';
import { Recent } from './recent.ts';
import type { Sampling } from './sampling-options.ts';

/** Chooses tokens; see `SamplingOptions` for the steps. All arithmetic is f64 by exactly specified operations. */
export class Sampler {
  readonly #sampling: Sampling;
  readonly #random: Random;
  readonly #candidates: Candidates;
  /** What `repetitionPenalty` acts on: prompt and completion; null without it. */
  readonly #repeated: Recent | null;
  /** What the other penalties act on: the completion; null without them. */
  readonly #completion: Recent | null;

  /** `candidates`: scratch memory, which several samplers may share. `completion`: the end of the prompt that counts as chosen before. */
  constructor(candidates: Candidates, sampling: Sampling, prompt: readonly number[] = [], random: Random = Random.seeded(sampling.seed), completion: readonly number[] = []) {
    const { repetitionPenalty, repetitionWindow, frequencyPenalty, presencePenalty } = sampling;
    this.#sampling = sampling;
    this.#random = random;
    this.#candidates = candidates;
    this.#repeated = repetitionPenalty !== 1 && repetitionWindow > 0 ? new Recent(repetitionWindow) : null;
    this.#completion = frequencyPenalty !== 0 || presencePenalty !== 0 ? new Recent(Infinity) : null;
    if (this.#repeated) for (const id of prompt) this.#repeated.push(id);
    if (this.#completion) for (const id of completion) this.#completion.push(id);
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
    const { repetitionPenalty, frequencyPenalty, presencePenalty, logitBias } = this.#sampling;
    if (!this.#repeated && !this.#completion && logitBias.length === 0) return;
    const { logits } = this.#candidates;
    this.#repeated?.counts.forEach((_, id) => {
      logits[id] = logits[id]! > 0 ? logits[id]! / repetitionPenalty : logits[id]! * repetitionPenalty;
    });
    this.#completion?.counts.forEach((count, id) => {
      logits[id]! -= count * frequencyPenalty + presencePenalty;
    });
    for (const [id, bias] of logitBias) logits[id]! += bias;
  }

  #accept(id: number): number {
    this.#repeated?.push(id);
    this.#completion?.push(id);
    return id;
  }
}
