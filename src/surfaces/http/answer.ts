import { TetradError } from '../../core/errors.ts';
import type { GenerationResult } from '../../generate/generation.ts';
import type { Model } from '../../generate/model.ts';
import { generateOptions, readBody, type CommonBody } from './body.ts';
import type { Endpoint } from './endpoint.ts';
import { HttpError } from './errors.ts';
import { eventStream } from './events.ts';
import type { Turns } from './turns.ts';

/** What all requests share. */
export interface Service {
  readonly name: string;
  readonly model: () => Promise<Model>;
  readonly turns: Turns;
  /** Hears what ends an answer. */
  readonly failed: (error: unknown) => void;
}

/** What the platform gives along with a request. */
export interface RequestContext {
  /** Keeps what the request has begun going when its client is gone. */
  waitUntil(work: Promise<unknown>): void;
}

function check({ model }: CommonBody, { name, turns }: Service): void {
  if (typeof model === 'string' && model !== name) {
    const message = `Cannot answer: the model ${JSON.stringify(model.slice(0, 60))} is not here, needed is ${JSON.stringify(name)}`;
    throw new HttpError({ status: 404, message, code: 'model_not_found', param: 'model' });
  }
  if (turns.full) throw new TetradError('busy', 'Cannot answer: too many requests are waiting, needed is another try later');
}

interface Text {
  readonly pieces: AsyncGenerator<string, GenerationResult, undefined>;
  /** Gives the turn back, now or at the next token. */
  readonly stop: (reason: unknown) => void;
  /** Aborted when it is stopped. */
  readonly signal: AbortSignal;
}

/** Text in its turn. It ends with its client, even if nobody reads on. */
function textOf<Body extends CommonBody>(endpoint: Endpoint<Body>, body: Body, { model, turns }: Service, request: Request, context?: RequestContext): Text {
  const going = new AbortController();
  const { signal } = going;
  let ended!: () => void;
  context?.waitUntil(new Promise<void>((resolve) => (ended = resolve)));
  async function* run(): AsyncGenerator<string, GenerationResult, undefined> {
    let release: (() => void) | undefined;
    try {
      release = await turns.take(signal);
      const generation = endpoint.start(await model(), body, generateOptions(body, signal));
      yield* generation;
      return await generation.result;
    } finally {
      release?.();
      ended?.();
    }
  }
  const pieces = run();
  const stop = (reason: unknown): void => {
    going.abort(reason);
    void pieces.return(undefined as never);
  };
  if (request.signal.aborted) going.abort(request.signal.reason);
  else request.signal.addEventListener('abort', () => stop(request.signal.reason), { once: true });
  return { pieces, stop, signal };
}

function usageOf({ usage: { promptTokens, completionTokens, cachedTokens } }: GenerationResult): object {
  const total = promptTokens + completionTokens;
  return { prompt_tokens: promptTokens, completion_tokens: completionTokens, total_tokens: total, prompt_tokens_details: { cached_tokens: cachedTokens } };
}

/** Answers a request for text, whole or as events. The first piece is there before the answer begins, so that errors have a status of their own. */
export async function answer<Body extends CommonBody>(endpoint: Endpoint<Body>, service: Service, request: Request, context?: RequestContext): Promise<Response> {
  const body = await readBody(request, endpoint.body);
  check(body, service);
  const { pieces, stop, signal } = textOf(endpoint, body, service, request, context);
  const facts = { id: endpoint.prefix + crypto.randomUUID(), created: Math.floor(Date.now() / 1000), model: service.name };
  const first = await pieces.next();
  if (body.stream === true) {
    const usage = body.stream_options?.include_usage === true;
    const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' };
    const failed = (error: unknown): void => void (signal.aborted || service.failed(error));
    return new Response(eventStream(parts(first), stop, failed), { headers });

    async function* parts(piece: IteratorResult<string, GenerationResult>): AsyncGenerator<object, void, undefined> {
      const part = (...choices: object[]): object => ({ ...facts, object: endpoint.object.part, choices, ...(usage && { usage: null }) });
      if (endpoint.opening) yield part(endpoint.opening);
      for (; piece.done !== true; piece = await pieces.next()) yield part(endpoint.part(piece.value, null));
      yield part(endpoint.part('', piece.value.finishReason));
      if (usage) yield { ...part(), usage: usageOf(piece.value) };
    }
  }
  let text = '';
  let piece = first;
  for (; piece.done !== true; piece = await pieces.next()) text += piece.value;
  return Response.json({ ...facts, object: endpoint.object.whole, choices: [endpoint.whole(text, piece.value.finishReason)], usage: usageOf(piece.value) });
}
