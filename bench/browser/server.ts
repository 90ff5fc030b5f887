import { createReadStream, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Folders of the project that pages may read. */
const SERVED = ['bench/browser/', 'scripts/digests/', 'scripts/speeds/', 'test/e2e/browser/', 'test/fixtures/', 'dist/', 'node_modules/', 'models/', 'build/'];
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.json': 'application/json', '.wasm': 'application/wasm',
};
type Headers = Readonly<Record<string, string>>;

/** Make the page cross-origin isolated: shared memory and fine clocks. */
const ISOLATED: Headers = {
  'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp', 'Cross-Origin-Resource-Policy': 'same-origin',
};

export interface ServeOptions {
  /** Default true. */
  readonly isolated?: boolean | undefined;
  /** A Content-Security-Policy. */
  readonly policy?: string | undefined;
}

export interface PageServer {
  readonly origin: string;
  /** What a page posts to /result, once. */
  readonly result: Promise<string>;
  close(): void;
}

function fileOf(url: string): { readonly path: string; readonly size: number; readonly etag: string } | null {
  const path = normalize(decodeURIComponent(new URL(url, 'http://localhost').pathname)).replaceAll(sep, '/').slice(1);
  if (!SERVED.some((folder) => path.startsWith(folder))) return null;
  const info = statSync(join(root, path), { throwIfNoEntry: false });
  return info?.isFile() ? { path: join(root, path), size: info.size, etag: `"${info.size}-${info.mtimeMs}"` } : null;
}

/** Import maps do not reach workers: packages are named by their files. */
const linked = (script: string): string => script.replaceAll(
  /^((?:import|export)\b[^'"();=]*['"])([^'"./][^'"]*)/gm,
  (_, before: string, name: string) => `${before}/${relative(root, fileURLToPath(import.meta.resolve(name))).replaceAll(sep, '/')}`,
);

function send(request: IncomingMessage, response: ServerResponse, headers: Headers): void {
  const file = fileOf(request.url ?? '/');
  if (!file) {
    response.writeHead(404, headers).end();
    return;
  }
  const type = TYPES[extname(file.path)] ?? 'application/octet-stream';
  if (type === 'text/javascript' && request.method === 'GET') {
    response.writeHead(200, { ...headers, 'Content-Type': type }).end(linked(readFileSync(file.path, 'utf8')));
    return;
  }
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  const [start, end] = range ? [Number(range[1]), Math.min(Number(range[2]), file.size - 1)] : [0, file.size - 1];
  const part = range ? { 'Content-Range': `bytes ${start}-${end}/${file.size}` } : {};
  response.writeHead(range ? 206 : 200, { ...headers, ...part, 'ETag': file.etag, 'Content-Type': type, 'Content-Length': end - start + 1 });
  if (request.method === 'HEAD' || file.size === 0) response.end();
  else createReadStream(file.path, { start, end, highWaterMark: 1 << 20 }).pipe(response);
}

/** Serves the built library, its packages and the models on a free port of the loopback interface. */
export async function servePages({ isolated = true, policy }: ServeOptions = {}): Promise<PageServer> {
  const headers = { ...(isolated && ISOLATED), ...(policy !== undefined && { 'Content-Security-Policy': policy }), 'Cache-Control': 'no-store' };
  let resolve: (body: string) => void;
  const result = new Promise<string>((settle) => (resolve = settle));
  const server: Server = createServer((request, response) => {
    if (request.method !== 'POST') return send(request, response, headers);
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk)).on('end', () => {
      response.writeHead(204, headers).end();
      resolve(body);
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, result, close };
}
