/** Names that the package exports on every runtime, besides what loads models there. */
export { TetradError, type ErrorCode } from '../core/errors.ts';
export type { ByteDirectory, ByteSource, OnProgress, Progress } from '../core/bytes.ts';
export type { Generation, GenerationResult, Usage } from '../generate/generation.ts';
export type { GenerateOptions, Model } from '../generate/model.ts';
export type { SamplingOptions } from '../generate/sampling-options.ts';
export type { Speculate } from '../generate/speculation.ts';
export type { ModelConfig } from '../models/config.ts';
export type { ModelImage } from '../models/image.ts';
export type { Estimate } from '../runtime/estimate.ts';
export type { ChatMessage } from '../tokenizer/chat-template.ts';
