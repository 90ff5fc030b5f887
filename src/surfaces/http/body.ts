import * as v from 'valibot';
import type { GenerateOptions } from '../../generate/model.ts';
import { HttpError } from './errors.ts';

/** Bytes of a request, at most: a context of 128k tokens as JSON. */
const MOST_BYTES = 1024 * 1024;

const number = v.nullish(v.number());
const optional = <T extends v.GenericSchema>(schema: T) => v.nullish(schema);

/** Fields that chat and plain completions share. What stands here with one value only is what clients send unasked. */
export const commonFields = {
  model: optional(v.string()),
  temperature: number,
  top_p: number,
  top_k: number,
  min_p: number,
  presence_penalty: number,
  frequency_penalty: number,
  logit_bias: optional(v.record(v.string(), v.number())),
  seed: number,
  stop: optional(v.union([v.string(), v.array(v.string())])),
  max_tokens: number,
  n: optional(v.literal(1)),
  user: optional(v.string()),
  stream: optional(v.boolean()),
  stream_options: optional(v.strictObject({ include_usage: optional(v.boolean()) })),
};

const common = v.strictObject(commonFields);
export type CommonBody = v.InferOutput<typeof common>;

/** What a request asks of the sampler; null is as absent. */
export const generateOptions = (body: CommonBody, signal: AbortSignal): GenerateOptions => ({
  temperature: body.temperature ?? undefined,
  topP: body.top_p ?? undefined,
  topK: body.top_k ?? undefined,
  minP: body.min_p ?? undefined,
  presencePenalty: body.presence_penalty ?? undefined,
  frequencyPenalty: body.frequency_penalty ?? undefined,
  logitBias: body.logit_bias ?? undefined,
  seed: body.seed ?? undefined,
  stop: body.stop ?? undefined,
  maxTokens: body.max_tokens ?? undefined,
  signal,
});

const tooLarge = (bytes: string): HttpError =>
  new HttpError({ status: 413, message: `Cannot read the request: it has ${bytes} bytes, needed are at most ${MOST_BYTES}`, code: 'request_too_large' });

async function readText(request: Request): Promise<string> {
  const stated = request.headers.get('content-length');
  if (stated !== null && Number(stated) > MOST_BYTES) throw tooLarge(stated);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text = '';
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw tooLarge(`more than ${MOST_BYTES}`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

async function readJson(request: Request): Promise<unknown> {
  try {
    return JSON.parse(await readText(request));
  } catch (cause) {
    if (cause instanceof HttpError) throw cause;
    throw new HttpError({ status: 400, message: 'Cannot read the request: its body is not JSON in UTF-8', code: 'invalid_json' });
  }
}

/** The first thing that is wrong with a body, in OpenAI's terms. */
function refusal([issue]: readonly [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]]): HttpError {
  const param = v.getDotPath(issue) ?? undefined;
  const field = param ?? 'the body';
  const unknown = issue.expected === 'never';
  const needed = unknown ? 'is a field that this server does not know' : `is ${issue.received.slice(0, 60)}, needed is ${issue.expected ?? issue.message}`;
  const missing = issue.received === 'undefined' && !unknown;
  const code = unknown ? 'unsupported_parameter' : missing ? 'missing_required_parameter' : 'invalid_value';
  return new HttpError({ status: 400, message: `Cannot read the request: ${field} ${missing ? 'is missing' : needed}`, code, param });
}

/** The request's body by a schema. */
export async function readBody<Body>(request: Request, schema: v.GenericSchema<unknown, Body>): Promise<Body> {
  const result = v.safeParse(schema, await readJson(request));
  if (!result.success) throw refusal(result.issues);
  return result.output;
}
