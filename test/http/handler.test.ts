import { describe, expect, it } from 'vitest';
import { TetradError } from '../../src/core/errors.ts';
import { createHandler } from '../../src/surfaces/http/handler.ts';
import { byteTokenizer } from '../generate/fake-model.ts';
import { eventsOf, fakeService, get, NAME, post } from './fake-service.ts';

const COMPLETIONS = '/v1/completions';
const CHAT = '/v1/chat/completions';

interface Refused {
  readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string };
}
const errorOf = async (response: Response): Promise<Refused['error']> => ((await response.json()) as Refused).error;

describe('createHandler(): routes', () => {
  it('GET /v1/models lists the one model', async () => {
    const response = await fakeService().handler(get('/v1/models'));
    expect(await response.json()).toEqual({ object: 'list', data: [{ id: NAME, object: 'model', created: expect.any(Number) as number, owned_by: 'tetrad' }] });
  });

  it('GET /health is 503 until the model is loaded, and loads it', async () => {
    const { handler } = fakeService();
    const first = await handler(get('/health'));
    expect([first.status, (await errorOf(first)).code]).toEqual([503, 'loading']);
    await new Promise((resolve) => setTimeout(resolve));
    const second = await handler(get('/health'));
    expect([second.status, await second.json()]).toEqual([200, { status: 'ok' }]);
  });

  it('HEAD is GET without the body', async () => {
    const response = await fakeService().handler(get('/v1/models', 'HEAD'));
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([200, 'application/json', '']);
    expect((await fakeService().handler(get('/nothing', 'HEAD'))).status).toBe(404);
  });

  it.each([['GET', CHAT, 'POST'], ['HEAD', COMPLETIONS, 'POST'], ['POST', '/v1/models', 'GET, HEAD'], ['DELETE', '/health', 'GET, HEAD']])('%s %s is 405 with what is allowed', async (method, path, allow) => {
    const response = await fakeService().handler(get(path, method));
    expect([response.status, response.headers.get('allow')]).toEqual([405, allow]);
  });

  it.each(['/', '/v1', '/v1/models/', '/v1/embeddings', '/constructor', '/__proto__'])('%s is 404', async (path) => {
    const response = await fakeService().handler(get(path));
    expect([response.status, (await errorOf(response)).code]).toEqual([404, 'unknown_url']);
  });

  it('any page may ask: preflight and answers say so', async () => {
    const { handler } = fakeService();
    const preflight = await handler(new Request(`http://tetrad.test${CHAT}`, { method: 'OPTIONS', headers: { 'access-control-request-headers': 'authorization, content-type' } }));
    expect([preflight.status, Object.fromEntries(preflight.headers)]).toEqual([204, expect.objectContaining({
      'access-control-allow-origin': '*', 'access-control-allow-methods': 'GET, POST', 'access-control-allow-headers': 'authorization, content-type',
    })]);
    for (const response of [await handler(get('/v1/models')), await handler(get('/nothing'))]) expect(response.headers.get('access-control-allow-origin')).toBe('*');
  });
});

describe('createHandler(): bodies', () => {
  it.each([
    ['no JSON', '{', null, 'invalid_json'],
    ['nothing', '', null, 'invalid_json'],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22]), null, 'invalid_json'],
    ['a number', '3', null, 'invalid_value'],
    ['an unknown field', '{"prompt":"x","logprobs":3}', 'logprobs', 'unsupported_parameter'],
    ['an unknown field inside', '{"prompt":"x","stream_options":{"a":1}}', 'stream_options.a', 'unsupported_parameter'],
    ['no prompt', '{}', 'prompt', 'missing_required_parameter'],
    ['a field of a wrong type', '{"prompt":"x","max_tokens":"9"}', 'max_tokens', 'invalid_value'],
    ['several answers', '{"prompt":"x","n":2}', 'n', 'invalid_value'],
    ['no tokens', '{"prompt":"x","max_tokens":0}', null, 'invalid_value'],
    ['an empty prompt', '{"prompt":""}', null, 'invalid_value'],
    ['a temperature below 0', '{"prompt":"x","temperature":-1}', null, 'invalid_value'],
    ['ids that are none', '{"prompt":[1,9999]}', null, 'invalid_value'],
    ['a half id', '{"prompt":[1.5]}', null, 'invalid_value'],
    ['a bias for no token', '{"prompt":"x","logit_bias":{"no":1}}', null, 'invalid_value'],
  ])('%s is 400, and says what is to blame', async (_, body, param, code) => {
    const { handler, errors, passes } = fakeService();
    const response = await handler(post(COMPLETIONS, '', { body }));
    expect([response.status, await errorOf(response)]).toEqual([400, { message: expect.stringMatching(/^Cannot .*[^.]$/) as string, type: 'invalid_request_error', param, code }]);
    expect([errors, passes()]).toEqual([[], 0]);
  });

  it.each([
    ['no messages', { messages: [] }, 'messages'],
    ['an unknown role', { messages: [{ role: 'tool', content: 'x' }] }, 'messages.0.role'],
    ['a picture', { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] }, 'messages.0.content'],
    ['tools', { messages: [{ role: 'user', content: 'x' }], tools: [] }, 'tools'],
  ])('chat: %s is 400', async (_, body, param) => {
    const response = await fakeService().handler(post(CHAT, body));
    expect(response.status).toBe(400);
    expect((await errorOf(response)).param).toMatch(new RegExp(`^${param}`));
  });

  it('another model is 404; the own name or none is fine', async () => {
    const { handler } = fakeService();
    const response = await handler(post(COMPLETIONS, { model: 'gpt-4', prompt: 'x' }));
    expect([response.status, await errorOf(response)]).toEqual([404, expect.objectContaining({ code: 'model_not_found', param: 'model' })]);
    for (const model of [NAME, null, undefined]) expect((await handler(post(COMPLETIONS, { model, prompt: 'x', max_tokens: 1 }))).status).toBe(200);
  });

  it('more than 1 MiB is 413: by the stated length, or as it comes', async () => {
    const { handler } = fakeService();
    const stated = await handler(post(COMPLETIONS, 'x', { headers: { 'content-length': String(2 ** 20 + 1) } }));
    expect([stated.status, (await errorOf(stated)).code]).toEqual([413, 'request_too_large']);
    let taken = 0;
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({ pull: (controller) => (taken++, controller.enqueue(new Uint8Array(2 ** 16).fill(32))), cancel: () => void (cancelled = true) });
    const body = await handler(post(COMPLETIONS, '', { body: endless, duplex: 'half' } as RequestInit));
    expect([body.status, cancelled]).toEqual([413, true]);
    expect(taken).toBeLessThan(20);
  });

  it('a body of just 1 MiB is read', async () => {
    const prompt = 'x'.repeat(2 ** 20 - JSON.stringify({ prompt: '', max_tokens: 1 }).length);
    const { handler } = fakeService({ context: 100 });
    const response = await handler(post(COMPLETIONS, { prompt, max_tokens: 1 }));
    expect([response.status, (await errorOf(response)).code]).toEqual([400, 'context_length_exceeded']);
  });

  it('chat on a model without a template is 400', async () => {
    const { handler } = fakeService({ tokenizer: byteTokenizer({ chatTemplate: null }) });
    const response = await handler(post(CHAT, { messages: [{ role: 'user', content: 'x' }] }));
    expect([response.status, (await errorOf(response)).code]).toEqual([400, 'unsupported_endpoint']);
  });
});

describe('createHandler(): failures', () => {
  it('a model that cannot be loaded is 500 with its code; the next request tries again', async () => {
    let tries = 0;
    const { model } = fakeService();
    const errors: unknown[] = [];
    const load = async () => {
      if (tries++ === 0) throw new TetradError('digest_mismatch', 'Cannot load: a shard is damaged');
      return model;
    };
    const handler = createHandler({ name: NAME, model: load, onError: (error) => errors.push(error) });
    const response = await handler(post(COMPLETIONS, { prompt: 'x', max_tokens: 1 }));
    expect([response.status, await errorOf(response)]).toEqual([500, { message: 'Cannot load: a shard is damaged', type: 'server_error', param: null, code: 'digest_mismatch' }]);
    expect(errors).toHaveLength(1);
    expect((await handler(post(COMPLETIONS, { prompt: 'x', max_tokens: 1 }))).status).toBe(200);
    expect((await handler(post(COMPLETIONS, { prompt: 'x', max_tokens: 1 }))).status).toBe(200);
    expect(tries).toBe(2);
  });

  it('a model that another caller uses is 503, and says when to ask again', async () => {
    const { handler, model, errors } = fakeService();
    const other = model.generate('x');
    await other[Symbol.asyncIterator]().next();
    const response = await handler(post(COMPLETIONS, { prompt: 'y', max_tokens: 1 }));
    expect([response.status, response.headers.get('retry-after'), (await errorOf(response)).code, errors]).toEqual([503, '2', 'busy', []]);
  });

  it('a fault of the program is told to onError, not to the client', async () => {
    const { handler, fake, errors } = fakeService();
    fake.forwardRows = () => {
      throw new Error('secret');
    };
    const response = await handler(post(COMPLETIONS, { prompt: 'x' }));
    expect([response.status, await response.text()]).toEqual([500, expect.not.stringContaining('secret')]);
    expect(errors).toEqual([expect.objectContaining({ message: 'secret' })]);
  });

  it('one in the middle of a stream is its last event, and gives the turn back', async () => {
    const { handler, fake, errors } = fakeService();
    const forward = fake.forwardRows.bind(fake);
    fake.forwardRows = (tokens, rows) => {
      if (fake.position >= 4) throw new Error('secret');
      return forward(tokens, rows);
    };
    const response = await handler(post(COMPLETIONS, { prompt: 'x', stream: true }));
    const events = eventsOf(await response.text());
    expect(response.status).toBe(200);
    expect((JSON.parse(events.at(-1)!) as Refused).error).toMatchObject({ type: 'server_error', code: 'internal_error' });
    expect(errors).toHaveLength(1);
    fake.forwardRows = forward;
    expect((await handler(post(COMPLETIONS, { prompt: 'x', max_tokens: 1 }))).status).toBe(200);
  });
});
