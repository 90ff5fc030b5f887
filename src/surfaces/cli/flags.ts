import type { FlagParametersForType } from '@stricli/core';
import type { GenerateOptions } from '../../generate/model.ts';
import { MOST_DRAFTED, type Speculate } from '../../generate/speculation.ts';
import { MOST_THREADS } from '../../runtime/team.ts';
import type { ChatMessage } from '../../tokenizer/chat-template.ts';
import type { CliContext } from './context.ts';
import { drafts, integerIn, integerOrAuto, kvBits, numberIn } from './parse.ts';

/** How text is drawn. Absent values are left to the library's defaults. */
export interface GenerationFlags {
  readonly maxTokens?: number;
  readonly temp?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly minP?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly system?: string;
  readonly speculate?: Speculate;
}

/** How a model is opened. */
export interface ModelFlags {
  readonly threads?: number | 'auto';
  readonly kv?: 4 | 8 | 32;
  readonly context?: number;
  readonly recipe?: string;
  readonly offline: boolean;
}

export interface JsonFlag {
  readonly json: boolean;
}

const text = String;

export const generationFlags: FlagParametersForType<GenerationFlags, CliContext> = {
  maxTokens: { kind: 'parsed', parse: integerIn(1), optional: true, placeholder: 'N', brief: 'Most tokens to generate' },
  temp: { kind: 'parsed', parse: numberIn(0, 100), optional: true, placeholder: 'X', brief: 'Temperature; 0 takes the likeliest token' },
  topP: { kind: 'parsed', parse: numberIn(0, 1), optional: true, placeholder: 'X', brief: 'Keep the likeliest tokens up to this total probability' },
  topK: { kind: 'parsed', parse: integerIn(0), optional: true, placeholder: 'N', brief: 'Keep the N likeliest tokens; 0 keeps all' },
  minP: { kind: 'parsed', parse: numberIn(0, 1), optional: true, placeholder: 'X', brief: 'Keep tokens with at least this share of the likeliest one\'s probability' },
  seed: { kind: 'parsed', parse: integerIn(0), optional: true, placeholder: 'N', brief: 'The same seed gives the same text' },
  stop: { kind: 'parsed', parse: text, optional: true, variadic: true, placeholder: 'TEXT', brief: 'Stop before this text (repeatable)' },
  system: { kind: 'parsed', parse: text, optional: true, placeholder: 'TEXT', brief: 'System message' },
  speculate: { kind: 'parsed', parse: drafts(MOST_DRAFTED), optional: true, placeholder: 'auto|off|N', brief: 'Guess up to N tokens from the text so far and check them together' },
};

export const modelFlags: FlagParametersForType<ModelFlags, CliContext> = {
  threads: { kind: 'parsed', parse: integerOrAuto(1, MOST_THREADS), optional: true, placeholder: 'N', brief: 'Threads; default auto: physical cores, at most 8' },
  kv: { kind: 'parsed', parse: kvBits, optional: true, placeholder: '4|8|32', brief: 'Bits of the KV cache' },
  context: { kind: 'parsed', parse: integerIn(1, 2 ** 24), optional: true, placeholder: 'N', brief: 'Tokens that the KV cache holds' },
  recipe: { kind: 'parsed', parse: text, optional: true, placeholder: 'NAME|FILE', brief: 'How a checkpoint is quantised when it is opened' },
  offline: { kind: 'boolean', default: false, withNegated: false, brief: 'Use no network: models by https: and hf: names only from the cache' },
};

export const jsonFlag: FlagParametersForType<JsonFlag, CliContext> = {
  json: { kind: 'boolean', default: false, withNegated: false, brief: 'Print JSON instead of text' },
};

/** The positional MODEL of most commands. */
export const modelArgument = {
  parse: text, optional: true, placeholder: 'MODEL', brief: 'Container, .gguf file or safetensors directory, by path, https://ADDRESS or hf:OWNER/REPO[:FILE]; default: the embedded model',
} as const;

/** The positional NAME of commands about the cache. */
export const remoteArgument = { parse: text, placeholder: 'NAME', brief: 'hf:OWNER/REPO[@REVISION][:FILE], or https://ADDRESS of a container or a .gguf file' } as const;

/** `maxTokens` as it is written on the command line: `max-tokens`. */
export const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

export function generateOptions({ maxTokens, temp, topP, topK, minP, seed, stop, speculate }: GenerationFlags, signal: AbortSignal): GenerateOptions {
  return { maxTokens, temperature: temp, topP, topK, minP, seed, stop, speculate, signal };
}

export const systemMessages = ({ system }: GenerationFlags): ChatMessage[] => (system === undefined ? [] : [{ role: 'system', content: system }]);
