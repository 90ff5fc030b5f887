import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { load } from '../../src/surfaces/adapters/node.ts';
import { createHandler, type Handler } from '../../src/surfaces/http/handler.ts';
import { embedded, having } from '../runtimes/having.ts';
import { serveHandler } from '../support/http-server.ts';
import { all, fakeService, NAME, until } from './fake-service.ts';

/** What is used of OpenAI's client. */
interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}
interface Choice {
  readonly text: string;
  readonly message: { readonly role: string; readonly content: string };
  readonly delta: { readonly role?: string; readonly content?: string };
  readonly finish_reason: string | null;
}
interface Answer {
  readonly id: string;
  readonly object: string;
  readonly choices: readonly Choice[];
  readonly usage?: Usage | null;
}
type Streamed = AsyncIterable<Answer> & { readonly controller: AbortController };
interface Create {
  (body: Record<string, unknown> & { stream: true }, options?: object): Promise<Streamed>;
  (body: object, options?: object): Promise<Answer>;
}
interface Client {
  readonly completions: { readonly create: Create };
  readonly chat: { readonly completions: { readonly create: Create } };
  readonly models: { list(): Promise<{ readonly data: readonly { readonly id: string }[] }> };
}
interface OpenAI {
  new (options: { baseURL: string; apiKey: string; maxRetries: number }): Client;
  readonly [name: `${string}Error`]: new () => Error;
}

const openai = await having('openai');
const { OpenAI } = (openai ? await import(/* @vite-ignore */ pathToFileURL(openai.binary).href) : {}) as { OpenAI: OpenAI };
const messages = [{ role: 'user', content: 'x' }];
const END = 256;

/** The client of a handler that is served. */
async function connect(handler: Handler, maxRetries = 0): Promise<{ readonly client: Client } & AsyncDisposable> {
  const server = await serveHandler(handler);
  return { client: new OpenAI({ baseURL: `${server.origin}/v1`, apiKey: 'none', maxRetries }), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function failure(action: Promise<unknown>): Promise<unknown> {
  try {
    await action;
  } catch (error) {
    return error;
  }
  throw new Error('nothing failed');
}

describe.skipIf(!openai)("OpenAI's client", () => {
  it('completions: text, usage and finish_reason, whole and streamed', async () => {
    await using service = await connect(fakeService().handler);
    const body = { model: NAME, prompt: 'xy', max_tokens: 4, temperature: 0 };
    const whole = await service.client.completions.create(body);
    expect(whole).toMatchObject({
      object: 'text_completion', choices: [{ text: 'cdef', finish_reason: 'length' }], usage: { prompt_tokens: 2, completion_tokens: 4, total_tokens: 6 },
    });
    const parts = await all(await service.client.completions.create({ ...body, stream: true }));
    expect(parts.map(({ choices: [choice] }) => [choice!.text, choice!.finish_reason])).toEqual([['c', null], ['d', null], ['e', null], ['f', null], ['', 'length']]);
    expect(new Set(parts.map(({ id }) => id)).size).toBe(1);
    expect(parts.every(({ usage }) => usage === undefined)).toBe(true);
  });

  it('chat: one role, then text, then the end; usage last when asked for', async () => {
    const text = [...new Array<number>(12).fill(0), ...Buffer.from('hi'), END]; // the prompt is <turn>user:xxxxx<turn>
    await using service = await connect(fakeService({ text }).handler);
    const { completions } = service.client.chat;
    const body = { model: NAME, messages: [{ role: 'user', content: 'xxxxx' }], temperature: 0 };
    const whole = await completions.create(body);
    const used = { prompt_tokens: 12, completion_tokens: 2, total_tokens: 14 };
    expect(whole).toMatchObject({ object: 'chat.completion', choices: [{ message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }], usage: used });
    const parts = await all(await completions.create({ ...body, stream: true, stream_options: { include_usage: true } }));
    const choices = parts.flatMap((part) => part.choices);
    expect(choices[0]!.delta).toEqual({ role: 'assistant', content: '' });
    expect(choices.map(({ delta }) => delta.content ?? '').join('')).toBe('hi');
    expect(choices.map(({ finish_reason }) => finish_reason)).toEqual([...new Array<null>(choices.length - 1).fill(null), 'stop']);
    expect(parts.at(-1)).toMatchObject({ object: 'chat.completion.chunk', choices: [], usage: { ...used, prompt_tokens_details: { cached_tokens: 11 } } });
    expect(parts.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  });

  it('stop strings, max_completion_tokens, parts of text and developer messages are honoured', async () => {
    const { handler, fake } = fakeService();
    await using service = await connect(handler);
    const { completions, chat } = service.client;
    expect((await completions.create({ model: NAME, prompt: 'ab', stop: ['ghi', 'z'] })).choices[0]).toMatchObject({ text: 'cdef', finish_reason: 'stop' });
    expect((await completions.create({ model: NAME, prompt: [97, 98], stop: 'e', max_tokens: 9 })).choices[0]).toMatchObject({ text: 'cd', finish_reason: 'stop' });
    const said = [{ role: 'developer', content: 'D' }, { role: 'user', content: [{ type: 'text', text: 'a' }, { type: 'text', text: 'b' }] }];
    const { usage, choices } = await chat.completions.create({ model: NAME, messages: said, max_completion_tokens: 3 });
    expect([usage!.completion_tokens, choices[0]!.finish_reason]).toEqual([3, 'length']);
    expect(fake.cache.slice(0, usage!.prompt_tokens)).toEqual([257, ...Buffer.from('system:D'), 257, ...Buffer.from('user:ab'), 257]);
  });

  it('the same seed gives the same text, another one another', async () => {
    const { handler, fake } = fakeService();
    Object.assign(fake, { script: null }); // logits are a hash of the tokens
    await using service = await connect(handler);
    const ask = async (seed: number): Promise<string> =>
      (await service.client.completions.create({ model: NAME, prompt: 'x', seed, temperature: 2, max_tokens: 24 })).choices[0]!.text;
    const [one, again, other] = [await ask(1), await ask(1), await ask(2)];
    expect(again).toBe(one);
    expect(other).not.toBe(one);
  });

  it('an answer goes back into the conversation as it came', async () => {
    await using service = await connect(fakeService().handler);
    const { completions } = service.client.chat;
    const { choices: [choice] } = await completions.create({ model: NAME, messages, max_tokens: 2 });
    const next = await completions.create({ model: NAME, messages: [...messages, choice!.message, { role: 'user', content: 'y' }], max_tokens: 2 });
    expect(next.choices[0]!.finish_reason).toBe('length');
  });

  it('errors are of the types, and carry the code and the field, that the client knows', async () => {
    const { handler } = fakeService({ context: 50 });
    await using service = await connect(handler);
    const { client } = service;
    for (const [body, type, expected] of [
      [{ prompt: 'x', logprobs: 1 }, 'BadRequestError', { status: 400, code: 'unsupported_parameter', param: 'logprobs', type: 'invalid_request_error' }],
      [{ prompt: 'x', temperature: 'hot' }, 'BadRequestError', { status: 400, code: 'invalid_value', param: 'temperature' }],
      [{ prompt: 'x'.repeat(51) }, 'BadRequestError', { status: 400, code: 'context_length_exceeded' }],
      [{ prompt: 'x', model: 'gpt' }, 'NotFoundError', { status: 404, code: 'model_not_found', param: 'model' }],
      [{ prompt: 'x'.repeat(2 ** 20) }, 'APIError', { status: 413, code: 'request_too_large' }],
    ] as const) {
      const error = await failure(client.completions.create(body));
      expect(error).toBeInstanceOf(OpenAI[type]);
      expect(error).toMatchObject(expected);
    }
  });

  it('when too many wait it is an InternalServerError with Retry-After, and the client tries again by itself', async () => {
    const { handler } = fakeService();
    await using service = await connect(handler, 1);
    const stopped = new AbortController();
    const first = await service.client.completions.create({ model: NAME, prompt: 'x', stream: true }, { signal: stopped.signal });
    const answers = Array.from({ length: 16 }, () => service.client.completions.create({ model: NAME, prompt: 'x', max_tokens: 1 }));
    const ask = (maxRetries: number): Promise<Answer> => service.client.completions.create({ model: NAME, prompt: 'x', max_tokens: 1 }, { maxRetries });
    let error: unknown;
    while (!error) error = await Promise.race([failure(ask(0)), new Promise<undefined>((resolve) => setTimeout(resolve, 200))]);
    expect(error).toBeInstanceOf(OpenAI.InternalServerError);
    expect(error).toMatchObject({ status: 503, code: 'busy' });
    expect((error as { headers: Headers }).headers.get('retry-after')).toBe('2');
    const patient = ask(1);
    stopped.abort();
    await expect(all(first)).resolves.toBeInstanceOf(Array);
    expect((await Promise.all([...answers, patient])).every(({ choices }) => choices[0]!.finish_reason === 'length')).toBe(true);
  });

  it.each(['break', 'abort'] as const)('%s in the middle of a stream stops the tokens and lets the next one in', async (way) => {
    const { handler, passes, errors } = fakeService();
    await using service = await connect(handler);
    const stream = await service.client.chat.completions.create({ model: NAME, messages, stream: true });
    let read = 0;
    for await (const _ of stream) {
      if (++read < 5) continue;
      if (way === 'break') break;
      stream.controller.abort();
    }
    const next = await service.client.completions.create({ model: NAME, prompt: 'y', max_tokens: 1 });
    expect(next.choices[0]!.text).toHaveLength(1);
    const before = passes();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([passes(), errors]).toEqual([before, []]);
  });

  it('abort stops an answer that is not streamed', async () => {
    const { handler, passes } = fakeService();
    await using service = await connect(handler);
    const stop = new AbortController();
    const answer = failure(service.client.completions.create({ model: NAME, prompt: 'x' }, { signal: stop.signal }));
    await until(() => passes() > 20);
    stop.abort();
    expect(await answer).toBeInstanceOf(OpenAI.APIUserAbortError);
    await service.client.completions.create({ model: NAME, prompt: 'y', max_tokens: 1 });
    const before = passes();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(passes()).toBe(before);
  });

  it('an error in the middle of a stream is thrown to the reader', async () => {
    const { handler, fake } = fakeService();
    const forward = fake.forwardRows.bind(fake);
    fake.forwardRows = (tokens, rows) => {
      if (fake.position > 8) throw new Error('broken');
      return forward(tokens, rows);
    };
    await using service = await connect(handler);
    const stream = await service.client.completions.create({ model: NAME, prompt: 'x', stream: true });
    expect(await failure(all(stream))).toBeInstanceOf(OpenAI.APIError);
  });

  it('models.list() gives the name', async () => {
    await using service = await connect(fakeService().handler);
    expect((await service.client.models.list()).data.map(({ id }) => id)).toEqual([NAME]);
  });

  it.skipIf(!existsSync(`${embedded}/model.json`))('talks to the embedded model: streamed and whole are what the library says', async () => {
    await using model = await load(embedded, { threads: 1, context: 512 });
    await using service = await connect(createHandler({ name: 'smollm2', model: async () => model }));
    const body = { model: 'smollm2', messages: [{ role: 'user', content: 'What is the capital of France? Answer in one sentence.' }], temperature: 0, max_tokens: 24 };
    const { text, usage } = await model.chat(body.messages as [{ role: 'user'; content: string }], { temperature: 0, maxTokens: 24 }).result;
    const whole = await service.client.chat.completions.create(body);
    expect(whole.choices[0]!.message.content).toBe(text);
    expect(whole.usage).toMatchObject({ prompt_tokens: usage.promptTokens, completion_tokens: usage.completionTokens });
    const parts = await all(await service.client.chat.completions.create({ ...body, stream: true }));
    expect(parts.map(({ choices }) => choices[0]!.delta.content ?? '').join('')).toBe(text);
    expect(text).toContain('Paris');
  });
});
