import * as v from 'valibot';
import { commonFields } from './body.ts';
import type { Endpoint } from './endpoint.ts';

const parts = v.array(v.strictObject({ type: v.literal('text'), text: v.string() }));

const message = v.strictObject({
  role: v.picklist(['system', 'developer', 'user', 'assistant']),
  content: v.union([v.string(), parts]),
  name: v.exactOptional(v.string()),
  /** Part of every answer, and so of every conversation that goes on from one. */
  refusal: v.nullish(v.null()),
});

const body = v.strictObject({ ...commonFields, messages: v.pipe(v.array(message), v.minLength(1)), max_completion_tokens: commonFields.max_tokens });

/** A turn as templates know it. */
function turn({ role, content, name }: v.InferOutput<typeof message>) {
  const text = typeof content === 'string' ? content : content.map((part) => part.text).join('');
  return { role: role === 'developer' ? 'system' : role, content: text, ...(name !== undefined && { name }) };
}

/** `POST /v1/chat/completions`. */
export const chat: Endpoint<v.InferOutput<typeof body>> = {
  body,
  start: (model, { messages, max_completion_tokens: most }, options) => model.chat(messages.map(turn), { ...options, maxTokens: most ?? options.maxTokens }),
  prefix: 'chatcmpl-',
  object: { whole: 'chat.completion', part: 'chat.completion.chunk' },
  whole: (content, finish) => ({ index: 0, message: { role: 'assistant', content, refusal: null }, logprobs: null, finish_reason: finish }),
  part: (piece, finish) => ({ index: 0, delta: finish === null ? { content: piece } : {}, logprobs: null, finish_reason: finish }),
  opening: { index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null },
};
