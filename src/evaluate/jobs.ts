import type { EncodedItem } from './choices/items.ts';
import type { TokenFigures } from './divergence.ts';

/** One window: perplexity, and divergence where there is a base, of the candidates that are named. */
export interface WindowJob {
  readonly kind: 'window';
  readonly window: number;
  readonly tokens: Int32Array;
  readonly candidates: readonly string[];
}

/** Some multiple-choice questions put to one candidate. */
export interface ItemsJob {
  readonly kind: 'items';
  readonly candidate: string;
  readonly items: readonly EncodedItem[];
}

/** The log-probabilities of one window of a candidate, written to a file that is laid out already. */
export interface StoreJob {
  readonly kind: 'store';
  readonly candidate: string;
  readonly window: number;
  readonly tokens: Int32Array;
  readonly file: string;
}

export type Job = WindowJob | ItemsJob | StoreJob;

export interface CandidateFigures extends TokenFigures {
  readonly name: string;
  /** Of the packed image: weights, scales, vectors. */
  readonly bytes: number;
}

/** What each kind of job comes to. */
export interface Outcomes {
  /** Of the base first, where there is one, under the name of `BASE`. Without a base, `kl`, `sameTop` and `change` are empty. */
  readonly window: readonly CandidateFigures[];
  /** Log-likelihoods of each item's choices, nats. */
  readonly items: readonly (readonly number[])[];
  /** Check sum of the window's rows, and their mean negative log-likelihood. */
  readonly store: { readonly sum: number; readonly nll: number };
}

export type Outcome<J extends Job> = Outcomes[J['kind']];

/** The name of the base's own figures among the candidates'. */
export const BASE = 'base';

/** Something that runs one job at a time: models in this thread, or another thread with its own. */
export interface Lane {
  run<J extends Job>(job: J, signal: AbortSignal): Promise<Outcome<J>>;
}

/** Runs jobs on all lanes, each taking the next as it gets free, and hands on what they come to as they end. The first failure ends the run. */
export async function runJobs<J extends Job>(
  lanes: readonly Lane[], jobs: readonly J[], onDone: (job: J, outcome: Outcome<J>) => void, signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  let next = 0;
  const work = async (lane: Lane): Promise<void> => {
    while (next < jobs.length) {
      both.throwIfAborted();
      const job = jobs[next++]!;
      onDone(job, await lane.run(job, both));
    }
  };
  try {
    await Promise.all(lanes.map(work));
  } catch (error) {
    stop.abort(error);
    signal.throwIfAborted();
    throw error;
  }
}
