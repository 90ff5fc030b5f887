import { TetradError, type ErrorCode } from '../../core/errors.ts';
import type { Network } from './network.ts';
import { retryAfter, Temporary } from './retry.ts';
import { shownUrl } from './source-name.ts';

export const failure = (code: ErrorCode, url: string, why: string, cause?: unknown): TetradError =>
  new TetradError(code, `Cannot read ${shownUrl(url)}: ${why}`, cause === undefined ? undefined : { cause });

export const temporary = (url: string, why: string, cause?: unknown): Temporary => new Temporary(failure('network_error', url, why, cause));

const REDIRECTS = [301, 302, 303, 307, 308];
const MOST_REDIRECTS = 10;

/**
 * One request to the hub with its token. Redirects are followed here, as not every runtime drops credentials on the way to another host; where they cannot be
 * seen, in browsers, it does.
 */
async function sendToHub({ fetch, hub }: Network, url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Response> {
  const { origin } = new URL(hub.endpoint);
  let at = url;
  for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
    const own = new URL(at).origin === origin ? { authorization: `Bearer ${hub.token}` } : {};
    const response = await fetch(at, { headers: { ...headers, ...own }, redirect: 'manual', signal });
    if (response.type === 'opaqueredirect') return fetch(at, { headers: { ...headers, ...own }, signal });
    const location = response.headers.get('location');
    if (location === null || !REDIRECTS.includes(response.status)) return response;
    await response.body?.cancel();
    if (!URL.canParse(location, at) || !/^https?:$/.test(new URL(location, at).protocol)) throw failure('network_error', url, `it redirects to ${location.slice(0, 100)}`);
    at = new URL(location, at).href;
  }
  throw failure('network_error', url, `it redirects more than ${MOST_REDIRECTS} times`);
}

/** What a platform's `fetch` says of a connection that failed: mostly hidden in the cause. */
function reason(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: string; message?: string }; message?: string };
  return cause?.code ?? (cause?.message || message) ?? String(error);
}

/** Throws what a status that is no success means. */
function checkStatus(url: string, { status, headers }: Response): void {
  if (status === 200 || status === 206 || status === 416) return;
  const said = headers.get('x-error-message');
  const answer = `the server answers ${status}${said === null ? '' : ` (${said.slice(0, 200)})`}`;
  if (status === 401 || status === 403) throw failure('unauthorized', url, `${answer}, needed is the token of an account with access, for the hub in HF_TOKEN`);
  if (status === 404 || status === 410) throw failure('not_found', url, `${answer}, there is no such file`);
  const error = failure('network_error', url, answer);
  if (status === 408 || status === 429 || status >= 500) throw new Temporary(error, retryAfter(headers.get('retry-after'), Date.now()));
  throw error;
}

/** A request under way, and the watch over it. */
export interface Exchange {
  readonly response: Response;
  /** The next bytes of the body, or null at its end. */
  next(): Promise<Uint8Array | null>;
}

/** Gives `use` the response to one request: statuses 200, 206 and 416. Whatever happens the connection is let go. Failures that pass are `Temporary`. */
export async function exchange<T>(
  net: Network, url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal | undefined, use: (exchange: Exchange) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const own = new AbortController();
  const stop = (): void => own.abort(signal!.reason);
  signal?.addEventListener('abort', stop, { once: true });
  const stalled = (): void => own.abort(temporary(url, `nothing came for ${net.stallMs / 1000} s`));

  /** Waits for the network, but not for longer than a stall is borne. */
  const waited = async <R>(promise: Promise<R>): Promise<R> => {
    promise.catch(() => {}); // nobody else may be left to hear of it
    if (own.signal.aborted) throw own.signal.reason;
    const timer = setTimeout(stalled, net.stallMs);
    let onAbort: () => void;
    const aborted = new Promise<never>((_, reject) => own.signal.addEventListener('abort', (onAbort = () => reject(own.signal.reason as Error)), { once: true }));
    try {
      return await Promise.race([promise, aborted]);
    } catch (error) {
      if (own.signal.aborted) throw own.signal.reason;
      throw error instanceof Temporary || TetradError.is(error) ? error : temporary(url, `the connection failed (${reason(error)})`, error);
    } finally {
      clearTimeout(timer);
      own.signal.removeEventListener('abort', onAbort!);
    }
  };

  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  try {
    const sent = net.hub.token !== undefined && new URL(url).origin === new URL(net.hub.endpoint).origin ? sendToHub(net, url, headers, own.signal) : net.fetch(url, { headers, signal: own.signal });
    const response = await waited(sent);
    reader = response.body?.getReader();
    checkStatus(url, response);
    return await use({ response, next: async () => (reader ? ((await waited(reader.read())).value ?? null) : null) });
  } finally {
    signal?.removeEventListener('abort', stop);
    own.abort();
    reader?.cancel().catch(() => {});
  }
}
