import type { Model } from '../../generate/model.ts';
import { answer, type RequestContext, type Service } from './answer.ts';
import { chat } from './chat.ts';
import { completions } from './completions.ts';
import { errorBody, HttpError, problemOf } from './errors.ts';
import { Turns } from './turns.ts';

export type { RequestContext } from './answer.ts';

export interface HandlerOptions {
  /** Loads the model: for the first request that needs it, and anew for the next one after it has failed. */
  readonly model: () => Promise<Model>;
  /** What clients call it. */
  readonly name: string;
  /** Hears of every error that is no client's fault. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** `context` is what workers get with a request: with it, loading and the end of a generation outlive a client that goes away. */
export type Handler = (request: Request, context?: RequestContext) => Promise<Response>;

/** Requests that wait for the one being answered, at most. */
const MOST_WAITING = 16;

interface Host extends Service {
  readonly loaded: () => boolean;
  readonly since: number;
}

type Route = (host: Host, request: Request, context?: RequestContext) => Response | Promise<Response>;

function health({ model, loaded, failed }: Host, _request: Request, context?: RequestContext): Response {
  if (loaded()) return Response.json({ status: 'ok' });
  const loading = model().catch(failed);
  context?.waitUntil(loading);
  throw new HttpError({ status: 503, message: 'Cannot answer yet: the model is being loaded', code: 'loading' });
}

const models = ({ name, since }: Host): Response =>
  Response.json({ object: 'list', data: [{ id: name, object: 'model', created: since, owned_by: 'tetrad' }] });

const ROUTES: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
  '/v1/completions': { POST: (host, request, context) => answer(completions, host, request, context) },
  '/v1/chat/completions': { POST: (host, request, context) => answer(chat, host, request, context) },
  '/v1/models': { GET: models },
  '/health': { GET: health },
};

function route({ method, url }: Request): Route {
  const { pathname } = new URL(url);
  const methods = Object.hasOwn(ROUTES, pathname) ? ROUTES[pathname]! : null;
  if (!methods) throw new HttpError({ status: 404, message: `Cannot answer ${method} ${pathname}: there is nothing here`, code: 'unknown_url' });
  const read = method === 'HEAD' ? 'GET' : method;
  const found = Object.hasOwn(methods, read) ? methods[read] : undefined;
  if (found) return found;
  const allow = Object.keys(methods).map((name) => (name === 'GET' ? 'GET, HEAD' : name)).join(', ');
  throw new HttpError({ status: 405, message: `Cannot answer ${method} ${pathname}: needed is ${allow}`, code: 'method_not_allowed', headers: { allow } });
}

/** Any page may ask: there is nothing here that a page's user is known by. */
function preflight(request: Request): Response {
  const headers = request.headers.get('access-control-request-headers') ?? 'content-type';
  return new Response(null, {
    status: 204, headers: { 'access-control-allow-methods': 'GET, POST', 'access-control-allow-headers': headers, 'access-control-max-age': '86400' },
  });
}

async function respond(host: Host, request: Request, context?: RequestContext): Promise<Response> {
  try {
    return request.method === 'OPTIONS' ? preflight(request) : await route(request)(host, request, context);
  } catch (error) {
    if (request.signal.aborted) return new Response(null, { status: 499 });
    host.failed(error);
    const problem = problemOf(error);
    return Response.json(errorBody(problem), { status: problem.status, headers: { ...problem.headers } });
  }
}

/**
 * A model behind OpenAI's HTTP interface: `POST /v1/completions` and `/v1/chat/completions`, whole or as server-sent events, `GET /v1/models` and
 * `GET /health`, which also begins to load. Requests are answered one after another; a client that goes away ends its own.
 */
export function createHandler({ model, name, onError }: HandlerOptions): Handler {
  let loading: Promise<Model> | null = null;
  let ready = false;
  const load = (): Promise<Model> => {
    const started = Promise.resolve().then(model);
    started.then(() => (ready = true), () => (loading = null));
    return started;
  };
  const host: Host = {
    name, turns: new Turns(MOST_WAITING), model: () => (loading ??= load()), loaded: () => ready, since: Math.floor(Date.now() / 1000),
    failed: (error) => problemOf(error).status === 500 && onError?.(error),
  };
  return async (request, context) => {
    const answered = await respond(host, request, context);
    const response = request.method === 'HEAD' ? new Response(null, answered) : answered;
    response.headers.set('access-control-allow-origin', '*');
    return response;
  };
}
