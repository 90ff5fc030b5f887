import { failure, exchange, temporary, type Exchange } from './request.ts';
import type { Network } from './network.ts';
import { retrying } from './retry.ts';

/** What a server says of a file before its bytes are read. */
export interface RemoteFile {
  readonly url: string;
  readonly size: number;
  /** `ETag`, or else `Last-Modified`; null: the server has neither, or hides it from pages of other hosts. */
  readonly version: string | null;
  /** Whether equal versions mean equal bytes. */
  readonly strong: boolean;
  /** Whether the server gives ranges. */
  readonly ranges: boolean;
  /** All of the file, where the server has given it at once. */
  readonly whole: Uint8Array | null;
}

/** Most bytes of a file whose length is not stated: it is held in memory. */
const MOST_UNSIZED = 64 * 1024 * 1024;

/** A file of at most so many bytes that comes although only its first byte was asked for is taken as it comes. */
const SMALL = 1024 * 1024;

/** fetch() inflates what a server has compressed, and ranges of compressed bytes are of no use. */
const PLAIN = { 'accept-encoding': 'identity' };

const isEncoded = (headers: Headers): boolean => !/^(?:identity)?$/i.test(headers.get('content-encoding') ?? '');

const versionOf = (headers: Headers): string | null => headers.get('etag') ?? headers.get('last-modified');
const isStrong = (headers: Headers): boolean => headers.get('etag')?.startsWith('"') === true;

interface ContentRange {
  readonly start: number;
  readonly end: number;
  readonly total: number | null;
}

function contentRange(headers: Headers): ContentRange | null {
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/i.exec(headers.get('content-range')?.trim() ?? '');
  return match && { start: Number(match[1]), end: Number(match[2]), total: match[3] === '*' ? null : Number(match[3]) };
}

/** The stated length of a body as it will be read, or null. */
function lengthOf(headers: Headers): number | null {
  const length = headers.get('content-length');
  return length === null || !/^\d+$/.test(length) || isEncoded(headers) ? null : Number(length);
}

async function readWhole(url: string, { next }: Exchange): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let chunk = await next(); chunk !== null; chunk = await next()) {
    size += chunk.length;
    if (size > MOST_UNSIZED) throw failure('network_error', url, `the server does not say how long it is, needed is a length for files of more than ${MOST_UNSIZED} bytes`);
    chunks.push(chunk);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** Asks a server about a file, by a request for its first byte. Rejects with `not_found`, `unauthorized` or `network_error`. */
export function askFor(net: Network, url: string, signal?: AbortSignal): Promise<RemoteFile> {
  return retrying(net, signal, () => exchange(net, url, { ...PLAIN, range: 'bytes=0-0' }, signal, async (reply): Promise<RemoteFile> => {
    const { status, headers } = reply.response;
    const facts = { url, version: versionOf(headers), strong: isStrong(headers), whole: null };
    const range = contentRange(headers);
    if (status === 416 && headers.get('content-range') === 'bytes */0') return { ...facts, size: 0, ranges: true };
    if (status === 416) throw failure('network_error', url, 'the server says that it has no first byte, and not that it is empty');
    if (status === 206 && range?.start === 0 && range.total !== null && !isEncoded(headers)) return { ...facts, size: range.total, ranges: true };
    if (status === 206) throw failure('network_error', url, `the server answers a request for its first byte with the range ${headers.get('content-range')}`);
    const size = lengthOf(headers);
    if (size !== null && size > SMALL) return { ...facts, size, ranges: false };
    const whole = await readWhole(url, reply);
    if (size !== null && whole.length !== size) throw temporary(url, `the connection ended at byte ${whole.length} of ${size}`);
    return { ...facts, size: whole.length, ranges: false, whole };
  }));
}

/** Throws where a response is of another file than it was when it was asked for. */
function checkSame({ url, version, size }: RemoteFile, headers: Headers, total: number | null): void {
  const found = versionOf(headers);
  if (version !== null && found !== null && found !== version) throw failure('source_changed', url, `it became another file while it was read, from ${version} to ${found}`);
  if (total !== null && total !== size) throw failure('source_changed', url, `it became another file while it was read, from ${size} bytes to ${total}`);
}

/** Checks that a response holds byte `at`; returns how many bytes come before it, and how many from it on, null if that is not said. */
function place(file: RemoteFile, { status, headers }: Response, at: number, to: number): { readonly skip: number; readonly length: number | null } {
  const { url, size } = file;
  if (status === 416) throw failure('source_changed', url, `it has no bytes ${at} to ${to - 1} any more`);
  if (status === 200) {
    checkSame(file, headers, lengthOf(headers));
    return { skip: at, length: isEncoded(headers) ? null : size - at };
  }
  const range = contentRange(headers);
  if (!range || range.start !== at || range.end < at || range.end >= to) throw temporary(url, `the server gives the range ${headers.get('content-range')}, needed is ${at}-${to - 1}`);
  if (isEncoded(headers)) throw failure('network_error', url, `the server compresses a range (${headers.get('content-encoding')}), needed are its plain bytes`);
  checkSame(file, headers, range.total);
  return { skip: 0, length: range.end + 1 - at };
}

/** A connection that brought so much before it broke counts as progress. */
const PROGRESS = 64 * 1024;

/**
 * Hands the bytes from `from` to `to` to `write`, in order and each once, however often the connection breaks. The chunks are the stream's own.
 * Rejects with `source_changed`, or as `askFor` does; what `write` has taken by then is right.
 */
export async function copyRange(
  net: Network, file: RemoteFile, from: number, to: number, write: (chunk: Uint8Array) => void | Promise<void>, signal?: AbortSignal,
): Promise<void> {
  const { url, ranges, strong, version, whole } = file;
  if (whole) return write(whole.subarray(from, to));
  let at = from;
  while (at < to) {
    await retrying(net, signal, (progress) => {
      const start = at;
      const wanted = ranges ? { range: `bytes=${at}-${to - 1}`, ...(strong && net.ifRange && { 'if-range': version! }) } : {};
      return exchange(net, url, { ...PLAIN, ...wanted }, signal, async ({ response, next }) => {
        const { skip, length } = place(file, response, at, to);
        const end = length === null ? to : Math.min(to, at + length);
        for (let before = skip; at < end; ) {
          const chunk = await next();
          if (chunk === null) throw temporary(url, `the connection ended at byte ${at} of ${file.size}`);
          const skipped = Math.min(before, chunk.length);
          before -= skipped;
          const taken = chunk.subarray(skipped, skipped + end - at);
          if (response.status === 206 && skipped + end - at < chunk.length) throw temporary(url, 'the server gives more bytes than its range has');
          if (taken.length === 0) continue;
          await write(taken);
          at += taken.length;
          if (at - start >= PROGRESS) progress();
        }
      });
    });
  }
}
