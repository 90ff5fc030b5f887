import type { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lambdaHandler, type HttpEvent } from '../../src/surfaces/adapters/lambda.ts';
import type { Handler } from '../../src/surfaces/http/handler.ts';
import { fakeService, NAME, until } from '../http/fake-service.ts';

const scope = globalThis as { awslambda?: object };
const preludes: object[] = [];

beforeAll(() => {
  scope.awslambda = {
    streamifyResponse: (handler: unknown) => handler,
    HttpResponseStream: { from: (stream: EventEmitter, prelude: object) => (preludes.push(prelude), stream) },
  };
});
afterAll(() => {
  delete scope.awslambda;
});

const eventOf = (changes: Partial<HttpEvent> & { method?: string }): HttpEvent => ({
  rawPath: '/v1/models', rawQueryString: '', headers: {}, isBase64Encoded: false, ...changes,
  requestContext: { domainName: 'tetrad.test', http: { method: changes.method ?? 'GET' }, ...changes.requestContext },
});

/** What a handler is asked for an event. */
async function asked(event: HttpEvent): Promise<{ readonly request: Request; readonly body: string }> {
  let request!: Request;
  let body = '';
  const handler: Handler = async (given) => {
    request = given;
    body = await given.text();
    return new Response(null, { status: 204 });
  };
  await lambdaHandler(handler)(event, new PassThrough().resume());
  return { request, body };
}

describe('lambdaHandler()', () => {
  it('an event becomes a request: method, path, query, headers, cookies, plain and base64 bodies', async () => {
    const { request, body } = await asked(eventOf({
      method: 'POST', rawPath: '/v1/a%20b', rawQueryString: 'x=1&y=%26', headers: { 'content-type': 'text/plain' }, cookies: ['a=1', 'b=2'], body: 'é',
    }));
    expect([request.method, request.url, body]).toEqual(['POST', 'https://tetrad.test/v1/a%20b?x=1&y=%26', 'é']);
    expect(Object.fromEntries(request.headers)).toMatchObject({ 'content-type': 'text/plain', cookie: 'a=1; b=2' });
    expect((await asked(eventOf({ method: 'POST', body: 'w6k=', isBase64Encoded: true }))).body).toBe('é');
    expect((await asked(eventOf({}))).request.url).toBe('https://tetrad.test/v1/models');
  });

  it.each([['v1', '/v1/v1/models', '/v1/models'], ['$default', '/v1/models', '/v1/models'], ['v', '/v1/models', '/v1/models']])('the stage %s of %s is taken off', async (stage, rawPath, path) => {
    const requestContext = { domainName: 'tetrad.test', stage, http: { method: 'GET' } };
    expect(new URL((await asked(eventOf({ rawPath, requestContext }))).request.url).pathname).toBe(path);
  });

  it('status, headers and cookies come before the body, and also without one', async () => {
    const handler: Handler = async () => new Response('text', { status: 201, headers: [['x-a', '1'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2']] });
    const stream = new PassThrough();
    await lambdaHandler(handler)(eventOf({}), stream);
    expect(await stream.setEncoding('utf8').toArray()).toEqual(['text']);
    expect(preludes.pop()).toEqual({ statusCode: 201, headers: { 'content-type': 'text/plain;charset=UTF-8', 'x-a': '1' }, cookies: ['a=1', 'b=2'] });
    await asked(eventOf({}));
    expect(preludes.pop()).toEqual({ statusCode: 204, headers: {}, cookies: [] });
  });

  it.each(['close', 'error'] as const)('a stream that ends with %s stops the tokens', async (how) => {
    const { handler, passes } = fakeService();
    const stream = new PassThrough();
    let read = 0;
    stream.on('data', () => read++);
    const event = eventOf({ method: 'POST', rawPath: '/v1/completions', body: JSON.stringify({ model: NAME, prompt: 'x', stream: true }) });
    const ended = lambdaHandler(handler)(event, stream).catch((error: unknown) => error);
    await until(() => read > 5);
    stream.destroy(how === 'error' ? new Error('broken pipe') : undefined);
    expect(await ended).toBeInstanceOf(Error);
    const before = passes();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(passes()).toBe(before);
    expect((await handler(new Request('https://tetrad.test/v1/completions', { method: 'POST', body: '{"prompt":"y","max_tokens":1}' }))).status).toBe(200);
  });

  it('a stream that closes before there is an answer aborts the request', async () => {
    const { handler, passes } = fakeService();
    const stream = new PassThrough();
    const event = eventOf({ method: 'POST', rawPath: '/v1/completions', body: '{"prompt":"x"}' });
    const ended = lambdaHandler(handler)(event, stream).catch((error: unknown) => error);
    await until(() => passes() > 5);
    stream.destroy();
    await ended;
    const before = passes();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(passes()).toBe(before);
  });
});
