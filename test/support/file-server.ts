import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

export interface ServedFile {
  readonly bytes: Uint8Array;
  /** null: the server sends none. */
  readonly etag: string | null;
}

export interface Seen {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

/** What a reply would be, for faults to change. */
export interface Reply {
  status: number;
  readonly headers: Record<string, string>;
  body: Uint8Array;
  /** Body bytes after which the connection breaks. */
  cut?: number;
  /** Body bytes after which nothing more comes. */
  stall?: number;
}

/** Changes a reply. `file` is null where there is none. */
export type Fault = (reply: Reply, file: ServedFile | null, range: readonly [start: number, end: number] | null) => void;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
export const served = (bytes: Uint8Array): ServedFile => ({ bytes, etag: `"${sha256(bytes).slice(0, 32)}"` });

const status = (code: number, headers: Record<string, string> = {}): Fault => (reply) => {
  reply.status = code;
  reply.body = new Uint8Array(0);
  Object.assign(reply.headers, { 'content-length': '0', ...headers });
  delete reply.headers['content-range'];
};

/** What servers do wrong. */
export const faults = {
  status,
  redirect: (to: string): Fault => status(302, { location: to }),
  cut: (after: number): Fault => (reply) => void (reply.cut = after),
  stall: (after: number): Fault => (reply) => void (reply.stall = after),
  shifted: (by: number): Fault => (reply, file, range) => {
    if (range) reply.headers['content-range'] = `bytes ${range[0] + by}-${range[1] + by}/${file!.bytes.length}`;
  },
  otherTotal: (by: number): Fault => (reply, file, range) => {
    if (range) reply.headers['content-range'] = `bytes ${range[0]}-${range[1]}/${file!.bytes.length + by}`;
  },
  /** A range that is not the one that was asked for, and says so. */
  elsewhere: (by: number): Fault => (reply, file, range) => {
    if (!range) return;
    const start = Math.min(Math.max(0, range[0] + by), file!.bytes.length - 1);
    reply.body = file!.bytes.subarray(start, start + reply.body.length);
    reply.headers['content-length'] = String(reply.body.length);
    reply.headers['content-range'] = `bytes ${start}-${start + reply.body.length - 1}/${file!.bytes.length}`;
  },
  /** More bytes than the range that is stated. */
  surplus: (count: number): Fault => (reply) => {
    reply.body = new Uint8Array([...reply.body, ...new Uint8Array(count)]);
    reply.headers['content-length'] = String(reply.body.length);
  },
  /** A range that ends sooner than the one that was asked for, as servers may give. */
  shorter: (bytes: number): Fault => (reply, file, range) => {
    if (!range || reply.body.length <= bytes) return;
    reply.body = reply.body.subarray(0, bytes);
    reply.headers['content-length'] = String(bytes);
    reply.headers['content-range'] = `bytes ${range[0]}-${range[0] + bytes - 1}/${file!.bytes.length}`;
  },
  noRanges: (): Fault => (reply, file) => {
    if (reply.status !== 206) return;
    reply.status = 200;
    reply.body = file!.bytes;
    reply.headers['content-length'] = String(file!.bytes.length);
    delete reply.headers['content-range'];
  },
  noLength: (): Fault => (reply) => void delete reply.headers['content-length'],
  gzip: (): Fault => (reply) => {
    reply.body = gzipSync(reply.body);
    reply.headers['content-encoding'] = 'gzip';
    reply.headers['content-length'] = String(reply.body.length);
  },
  corrupt: (at: number): Fault => (reply) => {
    reply.body = reply.body.slice();
    if (reply.body.length > 0) reply.body[at % reply.body.length]! ^= 0x10;
  },
  header: (name: string, value: string): Fault => (reply) => void (reply.headers[name] = value),
} as const;

interface Planned {
  readonly fault: Fault;
  readonly path: RegExp;
  /** Requests for the first byte alone ask about a file; most faults are for those that read it. */
  readonly asking: boolean;
  times: number;
}

/** Files behind a free port of the loopback interface: ranges, `If-Range`, and faults on demand. */
export class FileServer {
  readonly files = new Map<string, ServedFile>();
  readonly seen: Seen[] = [];
  /** Answers paths that are no files; true: it has. */
  other: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  readonly #server: Server;
  readonly #planned: Planned[] = [];
  #hook: ((path: string) => void) | null = null;

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(): Promise<FileServer> {
    const server = new FileServer();
    await new Promise<void>((listening) => server.#server.listen(0, '127.0.0.1', listening));
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Serves files below a folder such as `/models`. */
  serve(folder: string, files: Readonly<Record<string, Uint8Array>>): string {
    for (const [name, bytes] of Object.entries(files)) this.files.set(`${folder}/${name}`, served(bytes));
    return `${this.origin}${folder}`;
  }

  /** Lets the next replies go wrong. */
  plan(fault: Fault, { times = 1, path = /./, asking = false }: { readonly times?: number; readonly path?: RegExp; readonly asking?: boolean } = {}): void {
    this.#planned.push({ fault, path, asking, times });
  }

  calm(): void {
    this.#planned.length = 0;
    this.seen.length = 0;
    this.#hook = null;
  }

  /** Runs `hook` before each request is answered. */
  before(hook: (path: string) => void): void {
    this.#hook = hook;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(new URL(request.url!, this.origin).pathname);
    this.seen.push({ path: request.url!, headers: request.headers });
    this.#hook?.(path);
    if (this.other(request, response)) return;
    const file = this.files.get(path) ?? null;
    const { reply, range } = this.#reply(request, file);
    const asking = request.headers.range === 'bytes=0-0';
    const planned = this.#planned.find((one) => one.times > 0 && one.asking === asking && one.path.test(path));
    if (planned) {
      planned.times--;
      planned.fault(reply, file, range);
    }
    response.writeHead(reply.status, reply.headers);
    const end = Math.min(reply.cut ?? Infinity, reply.stall ?? Infinity, reply.body.length);
    response.flushHeaders();
    response.write(reply.body.subarray(0, end), () => {
      if (reply.cut !== undefined) setTimeout(() => response.destroy(), 5); // what was written reaches the client first
      else if (reply.stall === undefined) response.end();
    });
  }

  #reply({ headers, method }: IncomingMessage, file: ServedFile | null): { readonly reply: Reply; readonly range: readonly [number, number] | null } {
    if (!file || method !== 'GET') return { reply: { status: file ? 405 : 404, headers: { 'content-length': '0' }, body: new Uint8Array(0) }, range: null };
    const { bytes, etag } = file;
    const common: Record<string, string> = { 'accept-ranges': 'bytes', ...(etag !== null && { etag }) };
    const match = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '');
    const fresh = headers['if-range'] === undefined || headers['if-range'] === etag;
    if (!match || !fresh) return { reply: { status: 200, headers: { ...common, 'content-length': String(bytes.length) }, body: bytes }, range: null };
    const start = Number(match[1]);
    const end = Math.min(match[2] === '' ? Infinity : Number(match[2]), bytes.length - 1);
    if (start >= bytes.length) return { reply: { status: 416, headers: { ...common, 'content-length': '0', 'content-range': `bytes */${bytes.length}` }, body: new Uint8Array(0) }, range: null };
    const body = bytes.subarray(start, end + 1);
    return { reply: { status: 206, headers: { ...common, 'content-length': String(body.length), 'content-range': `bytes ${start}-${end}/${bytes.length}` }, body }, range: [start, end] };
  }
}
