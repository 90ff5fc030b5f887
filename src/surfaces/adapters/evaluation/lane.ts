import { TetradError } from '../../../core/errors.ts';
import { liveBase, type Base } from '../../../evaluate/base.ts';
import { ChoiceScorer } from '../../../evaluate/choices/score.ts';
import { baseFigures, compareWindow, emptyFigures, type TokenFigures } from '../../../evaluate/divergence.ts';
import { evaluatorOf } from '../../../evaluate/evaluator.ts';
import { BASE, type CandidateFigures, type ItemsJob, type Job, type Lane, type Outcome, type Outcomes, type StoreJob, type WindowJob } from '../../../evaluate/jobs.ts';
import { windowNll } from '../../../evaluate/perplexity.ts';
import { openStored, type StoredBase } from '../../../evaluate/stored/read.ts';
import { PAGE } from '../../../formats/descriptor.ts';
import type { Decoder } from '../../../runtime/decoder.ts';
import { fileSource } from '../files.ts';
import { storeWindow } from './base-file.ts';
import type { EvaluationSetup, ModelSpec, OpenModel } from './setup.ts';

/** Throws where a model gave something that is no number. */
function checkNumbers(name: string, window: number, { nll }: Pick<TokenFigures, 'nll'>): void {
  const at = nll.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new TetradError('invalid_file', `Cannot evaluate ${name}: the log-likelihood of token ${at + 1} of window ${window + 1} is ${nll[at]}, needed are finite weights and activations`);
}

/** Models in this thread, loaded when a job first needs them. */
export class LocalLane implements Lane, AsyncDisposable {
  readonly #setup: EvaluationSetup;
  readonly #open: OpenModel;
  readonly #decoders = new Map<string, Decoder>();
  readonly #scorers = new Map<string, ChoiceScorer>();
  #base: Base | null = null;
  #stored: StoredBase | null = null;

  constructor(setup: EvaluationSetup, open: OpenModel) {
    this.#setup = setup;
    this.#open = open;
  }

  async run<J extends Job>(job: J, signal: AbortSignal): Promise<Outcome<J>> {
    const run = async (): Promise<Outcomes[keyof Outcomes]> => {
      switch (job.kind) {
        case 'window': return this.#window(job, signal);
        case 'items': return this.#items(job, signal);
        case 'store': return this.#store(job, signal);
      }
    };
    return (await run()) as Outcome<J>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const decoder of this.#decoders.values()) await decoder.dispose();
    this.#decoders.clear();
    await this.#stored?.close();
    this.#stored = null;
  }

  async #decoder(name: string, spec: ModelSpec, signal: AbortSignal): Promise<Decoder> {
    const known = this.#decoders.get(name);
    if (known) return known;
    const { context, threads } = this.#setup;
    const decoder = await this.#open(spec, { context, threads, logitRows: PAGE, signal });
    this.#decoders.set(name, decoder);
    return decoder;
  }

  #candidate(name: string, signal: AbortSignal): Promise<Decoder> {
    return this.#decoder(name, this.#setup.candidates[name]!, signal);
  }

  async #openBase(signal: AbortSignal): Promise<Base | null> {
    const { base } = this.#setup;
    if (base === null || this.#base) return this.#base;
    if ('file' in base) this.#base = this.#stored = await openStored(await fileSource(base.file));
    else this.#base = liveBase(evaluatorOf(await this.#decoder(BASE, base, signal)));
    return this.#base;
  }

  async #window({ window, tokens, candidates: names }: WindowJob, signal: AbortSignal): Promise<CandidateFigures[]> {
    const base = await this.#openBase(signal);
    const decoders: Decoder[] = [];
    for (const name of names) decoders.push(await this.#candidate(name, signal));
    const evaluators = decoders.map(evaluatorOf);
    const named = (figures: TokenFigures, i: number): CandidateFigures => ({ ...figures, name: names[i]!, bytes: decoders[i]!.manifest.bytes });
    if (!base) {
      const results: CandidateFigures[] = [];
      for (const [i, model] of evaluators.entries()) results.push(named({ ...emptyFigures(0), nll: await windowNll(model, tokens, signal) }, i));
      results.forEach((result) => checkNumbers(result.name, window, result));
      return results;
    }
    const { baseNll, candidates } = await compareWindow(base, evaluators, window, tokens, signal);
    const bytes = this.#decoders.get(BASE)?.manifest.bytes ?? 0;
    const all = [{ ...baseFigures(baseNll), name: BASE, bytes }, ...candidates.map(named)];
    all.forEach((result) => checkNumbers(result.name, window, result));
    return all;
  }

  async #items({ candidate, items }: ItemsJob, signal: AbortSignal): Promise<number[][]> {
    let scorer = this.#scorers.get(candidate);
    if (!scorer) this.#scorers.set(candidate, (scorer = new ChoiceScorer(await this.#candidate(candidate, signal))));
    const scores: number[][] = [];
    for (const item of items) {
      const own = await scorer.score(item, signal);
      if (!own.every(Number.isFinite)) {
        throw new TetradError('invalid_file', `Cannot evaluate ${candidate}: a log-likelihood of item ${item.id} is ${own.find((x) => !Number.isFinite(x))}, needed are finite weights and activations`);
      }
      scores.push(own);
    }
    return scores;
  }

  async #store(job: StoreJob, signal: AbortSignal): Promise<Outcomes['store']> {
    return storeWindow(job, evaluatorOf(await this.#candidate(job.candidate, signal)), signal);
  }
}
