import type { Decoder } from '../../../runtime/decoder.ts';
import type { RecipeOptions } from '../../quantize/options.ts';

/** A model and how it is packed, as a message between threads. */
export interface ModelSpec extends Pick<RecipeOptions, 'recipe' | 'set' | 'kv' | 'calibration'> {
  /** null: the embedded model. */
  readonly source: string | null;
}

/** The models that jobs are about. Each lane loads those that it meets. */
export interface EvaluationSetup {
  readonly candidates: Readonly<Record<string, ModelSpec>>;
  /** A model that runs beside the candidates, or a file of its log-probabilities. */
  readonly base: ModelSpec | { readonly file: string } | null;
  readonly context: number;
  /** Threads of each lane. */
  readonly threads: number;
}

export interface OpenSettings {
  readonly context: number;
  readonly threads: number;
  /** Rows of logits that one pass gives. */
  readonly logitRows: number;
  readonly signal?: AbortSignal | undefined;
}

/** How a lane comes by a model. */
export type OpenModel = (spec: ModelSpec, settings: OpenSettings) => Promise<Decoder>;
