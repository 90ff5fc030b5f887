import * as v from 'valibot';
import { commonFields } from './body.ts';
import type { Endpoint } from './endpoint.ts';

const body = v.strictObject({
  ...commonFields,
  /** A text, or ids. */
  prompt: v.union([v.string(), v.array(v.number())]),
});

const choice = (text: string, finish: string | null): object => ({ index: 0, text, logprobs: null, finish_reason: finish });

/** `POST /v1/completions`. */
export const completions: Endpoint<v.InferOutput<typeof body>> = {
  body,
  start: (model, { prompt }, options) => model.generate(prompt, options),
  prefix: 'cmpl-',
  object: { whole: 'text_completion', part: 'text_completion' },
  whole: choice,
  part: choice,
  opening: null,
};
