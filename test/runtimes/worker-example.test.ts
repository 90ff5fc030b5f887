import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { events, generated } from '../../scripts/events.mjs';
import { memoryGrowth, noMemoryFigures } from '../../scripts/measure-workerd.mjs';
import { serveWorker, type Served } from '../../scripts/workerd.mjs';
import { load } from '../../src/surfaces/adapters/node.ts';
import { embedded, having, root } from './having.ts';

const ISOLATE_BYTES = 128e6;
const QUESTION = [{ role: 'user', content: 'What is the capital of France? Answer in one sentence.' }];
const PROMPT = { prompt: 'The capital of France is', temperature: 0 };

interface Answer {
  readonly choices: readonly { readonly text?: string; readonly message?: { readonly content: string } }[];
  readonly error?: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string };
}

const got = await having('workerd');
const entry = join(root, 'examples/worker/worker.js');
const serve = (models: string, file = entry): Promise<Served> => serveWorker({ binary: got!.binary, entry: file, disks: { ASSETS: models } });

async function post(server: Served, path: string, body: object | string): Promise<{ readonly status: number; readonly answer: Answer }> {
  const response = await fetch(`${server.origin}${path}`, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) });
  return { status: response.status, answer: (await response.json()) as Answer };
}

describe.skipIf(got === null)('examples/worker in workerd', { timeout: 120_000 }, () => {
  let server: Served;

  beforeAll(async () => {
    server = await serve(join(root, 'models'));
  });
  afterAll(() => server.stop());

  it('completions and chat say what Node says', async () => {
    await using model = await load(embedded, { context: 2048, threads: 1 });
    const { text } = await model.generate(PROMPT.prompt, { maxTokens: 24, temperature: 0 }).result;
    const { text: said } = await model.chat(QUESTION, { maxTokens: 24, temperature: 0 }).result;
    expect(text).toContain('Paris');
    expect((await post(server, '/v1/completions', { ...PROMPT, max_tokens: 24 })).answer.choices[0]!.text).toBe(text);
    expect((await generated(server.origin, { ...PROMPT, max_tokens: 24 })).text).toBe(text);
    expect((await post(server, '/v1/chat/completions', { messages: QUESTION, temperature: 0, max_tokens: 24 })).answer.choices[0]!.message!.content).toBe(said);
  });

  it('events come while the rest is generated', async () => {
    const { asked, first, last, tokens } = await generated(server.origin, { ...PROMPT, prompt: 'Once upon a time', max_tokens: 64 });
    expect(tokens).toBe(64);
    expect(first - asked).toBeLessThan((last - asked) / 2);
  });

  it('a client that goes away ends its generation: the next one has not to wait for it', async () => {
    const gone = new AbortController();
    const long = events(`${server.origin}/v1/completions`, { ...PROMPT, prompt: 'Once upon a time', max_tokens: 2000, logit_bias: { 0: -100, 2: -100 } }, gone.signal);
    const begun = performance.now();
    for (let event = 0; event < 16; event++) await long.next();
    const took = performance.now() - begun;
    gone.abort();
    await expect(long.next()).rejects.toThrow('abort');
    const { first, asked } = await generated(server.origin, { ...PROMPT, max_tokens: 4 });
    expect(first - asked).toBeLessThan(Math.max(1000, 10 * took)); // all of it would take 100 times as long as 16 events
  });

  it.each([['as events', true], ['whole', false]])('a connection that is reset while its prompt runs, to be answered %s, holds nobody up', async (_, stream) => {
    const body = JSON.stringify({ prompt: Array.from({ length: 1900 }, (__, i) => (i * 7919 + 13) % 49152), max_tokens: 100, stream });
    const { hostname, port } = new URL(server.origin);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write(`POST /v1/completions HTTP/1.1\r\nhost: ${hostname}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    socket.resetAndDestroy();
    const { first, asked } = await generated(server.origin, { ...PROMPT, max_tokens: 4 }); // throws for the 500 that a turn which is never given back ends in
    expect(first).toBeGreaterThan(asked);
  });

  it('requests at once are answered one after another, in the order of asking', async () => {
    const ended: string[] = [];
    const request = async (name: string, tokens: number): Promise<readonly [number, number]> => {
      const { first, last } = await generated(server.origin, { ...PROMPT, prompt: `${name} is`, max_tokens: tokens });
      ended.push(name);
      return [first, last];
    };
    const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));
    const running = [request('Paris', 48)];
    await soon();
    running.push(request('London', 24));
    await soon();
    running.push(request('Rome', 4));
    const [paris, london, rome] = await Promise.all(running);
    expect(ended).toEqual(['Paris', 'London', 'Rome']);
    expect([london![0] >= paris![1], rome![0] >= london![1]]).toEqual([true, true]);
  });

  it.each([
    ['not JSON', '/v1/completions', '{', 400, 'invalid_json', null],
    ['an unknown field', '/v1/completions', { prompt: 'x', tools: [] }, 400, 'unsupported_parameter', 'tools'],
    ['another model', '/v1/completions', { prompt: 'x', model: 'gpt' }, 404, 'model_not_found', 'model'],
    ['more than the context', '/v1/completions', { prompt: Array.from({ length: 2049 }, () => 1) }, 400, 'context_length_exceeded', null],
    ['another path', '/v1/embeddings', {}, 404, 'unknown_url', null],
    ['another method', '/v1/models', {}, 405, 'method_not_allowed', null],
  ])('%s is refused in the shape of OpenAI\'s errors', async (_, path, body, status, code, param) => {
    const { status: answered, answer } = await post(server, path, body);
    expect([answered, answer.error]).toEqual([status, { message: expect.any(String), type: 'invalid_request_error', param, code }]);
  });

  describe('with assets that are not whole', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tetrad-assets-'));
    const shard = join(folder, 'smollm2-135m-instruct', '03.bin');
    let poor: Served;

    beforeAll(async () => {
      mkdirSync(join(folder, 'smollm2-135m-instruct'));
      cpSync(embedded, join(folder, 'smollm2-135m-instruct'), { recursive: true });
      poor = await serve(folder);
    });
    afterAll(async () => {
      await poor.stop();
      rmSync(folder, { recursive: true });
    });

    it('a missing shard and a wrong digest are a 500 that names it, and the next request loads anew', async () => {
      const whole = readFileSync(shard);
      const ask = () => post(poor, '/v1/completions', { ...PROMPT, max_tokens: 4 });
      renameSync(shard, `${shard}.away`);
      expect(await ask()).toMatchObject({ status: 500, answer: { error: { type: 'server_error', code: 'not_found', message: expect.stringContaining('03.bin') } } });
      writeFileSync(shard, whole.with(7, whole[7]! ^ 1));
      expect(await ask()).toMatchObject({ status: 500, answer: { error: { code: 'digest_mismatch', message: expect.stringContaining('03.bin') } } });
      writeFileSync(shard, whole.subarray(0, 1000));
      expect(await ask()).toMatchObject({ status: 500, answer: { error: { code: 'invalid_file', message: expect.stringContaining('1000') } } });
      writeFileSync(shard, whole);
      expect(await ask()).toMatchObject({ status: 200, answer: { choices: [{ text: expect.stringContaining('Paris') }] } });
    });
  });

  it('a budget below what the model needs is refused, with both figures', async () => {
    const small = await serve(join(root, 'models'), join(root, 'test/runtimes/budget-worker.js'));
    const { status, answer } = await post(small, '/v1/completions', { ...PROMPT, max_tokens: 1 }).finally(() => small.stop());
    expect([status, answer.error!.code]).toEqual([500, 'over_budget']);
    expect(answer.error!.message).toMatch(/needs 102\.2 MB.*the budget is 100\.0 MB/);
  });

  const reason = noMemoryFigures();
  if (reason !== null) process.stdout.write(`memory in workerd is not tested: ${reason}\n`);

  it.skipIf(reason !== null)(`memoryGrowth() stays below ${ISOLATE_BYTES / 1e6} MB with 2,000 tokens in the cache`, async () => {
    const { resident, private: own } = await memoryGrowth(got!.binary);
    process.stdout.write(`workerd grows by ${own} bytes, with pages of its own executable by ${resident}\n`);
    expect(own).toBeGreaterThan(100e6);
    expect(own).toBeLessThan(ISOLATE_BYTES);
  });
});
