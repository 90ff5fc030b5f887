import type { GenerateOptions } from '../../src/generate/model.ts';

/** How the sessions of test/fixtures/session-v1 went on before and after they were saved; never the end of a text. */
export const FIXTURE_TURN: GenerateOptions = {
  maxTokens: 40, temperature: 0.7, topK: 20, repetitionPenalty: 1.1, frequencyPenalty: 0.1, logitBias: { 257: -Infinity, 259: -Infinity },
};
