import { pipeline } from 'node:stream/promises';
import type { Handler } from '../http/handler.ts';

/** An invocation by a function URL or by API Gateway's HTTP API, whose payloads have format 2.0. */
export interface HttpEvent {
  readonly rawPath: string;
  readonly rawQueryString: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies?: readonly string[];
  readonly body?: string;
  readonly isBase64Encoded: boolean;
  readonly requestContext: { readonly domainName: string; readonly stage?: string; readonly http: { readonly method: string } };
}

/** What Lambda calls. */
export type StreamingHandler = (event: HttpEvent, stream: NodeJS.WritableStream) => Promise<void>;

/** What Lambda's runtime puts into the global scope. */
declare const awslambda: {
  streamifyResponse(handler: StreamingHandler): StreamingHandler;
  readonly HttpResponseStream: { from(stream: NodeJS.WritableStream, prelude: object): NodeJS.WritableStream };
};

function requestOf({ rawPath, rawQueryString, headers, cookies, body, isBase64Encoded, requestContext }: HttpEvent, signal: AbortSignal): Request {
  const stage = `/${requestContext.stage ?? '$default'}/`; // a named one of API Gateway stands before the path
  const path = rawPath.startsWith(stage) ? rawPath.slice(stage.length - 1) : rawPath;
  const query = rawQueryString === '' ? '' : `?${rawQueryString}`;
  return new Request(`https://${requestContext.domainName}${path}${query}`, {
    method: requestContext.http.method, signal,
    headers: { ...headers, ...(cookies && { cookie: cookies.join('; ') }) },
    body: body === undefined ? null : isBase64Encoded ? Buffer.from(body, 'base64') : body,
  });
}

/** Streams what `handler` answers. A stream that closes or fails before its end aborts the request. */
export const lambdaHandler = (handler: Handler): StreamingHandler =>
  awslambda.streamifyResponse(async (event, stream) => {
    const gone = new AbortController();
    for (const name of ['close', 'error']) stream.once(name, () => gone.abort());
    const { status, headers, body } = await handler(requestOf(event, gone.signal));
    const cookies = headers.getSetCookie();
    headers.delete('set-cookie');
    const answer = awslambda.HttpResponseStream.from(stream, { statusCode: status, headers: Object.fromEntries(headers), cookies });
    answer.write(''); // sends status and headers: now, and with an answer that has no body
    await pipeline(body ?? [], answer);
  });
