import type * as v from 'valibot';
import type { Generation } from '../../generate/generation.ts';
import type { FinishReason } from '../../generate/generator.ts';
import type { GenerateOptions, Model } from '../../generate/model.ts';
import type { CommonBody } from './body.ts';

/** One way to ask for text: what its requests look like, what they start, and how text is wrapped. */
export interface Endpoint<Body extends CommonBody = CommonBody> {
  readonly body: v.GenericSchema<unknown, Body>;
  readonly start: (model: Model, body: Body, options: GenerateOptions) => Generation;
  /** Ids of answers begin with it. */
  readonly prefix: string;
  /** The `object` of an answer and of a part of one. */
  readonly object: { readonly whole: string; readonly part: string };
  /** The one choice of an answer. */
  readonly whole: (text: string, finish: FinishReason) => object;
  /** The choice of a part: a piece of text, or with `finish` the last one. */
  readonly part: (piece: string, finish: FinishReason | null) => object;
  /** The choice that comes before any text, if there is one. */
  readonly opening: object | null;
}
