import type { ByteDirectory } from '../../core/bytes.ts';
import { TetradError } from '../../core/errors.ts';
import { bodySource } from '../body-source.ts';

/** What lies at a path: its bytes, and how many they are where the platform says so. */
interface Found {
  readonly body: ReadableStream<Uint8Array>;
  readonly size: number | null;
}

function directory(name: string, find: (path: string) => Promise<Found | null>): ByteDirectory {
  return {
    name,
    async open(path, bytes) {
      const found = await find(path);
      if (!found) throw new TetradError('not_found', `Cannot open ${name}/${path}: there is no such file`);
      return bodySource(`${name}/${path}`, found.body, found.size ?? bytes);
    },
    async has(path) {
      const found = await find(path);
      await found?.body.cancel();
      return found !== null;
    },
  };
}

/** Static assets or another service behind `fetch`: `assetDirectory(env.ASSETS, 'https://assets.local/model')`; a worker's own `fetch` as `{ fetch }`. */
export const assetDirectory = (binding: { fetch(url: string): Promise<Response> }, url: string): ByteDirectory =>
  directory(url, async (path) => {
    const { ok, status, body, headers } = await binding.fetch(`${url}/${path}`);
    if (status === 404) return null;
    if (!ok || !body) throw new TetradError('io_error', `Cannot read ${url}/${path}: it answers ${status}`);
    const size = headers.get('content-length');
    return { body, size: size === null || headers.has('content-encoding') ? null : Number(size) };
  });

/** A bucket of objects such as R2's. */
export const bucketDirectory = (bucket: { get(key: string): Promise<{ readonly body: ReadableStream<Uint8Array>; readonly size: number } | null> }, prefix: string): ByteDirectory =>
  directory(prefix, (path) => bucket.get(`${prefix}/${path}`));

/** A key-value store such as Workers KV, whose values may have 25 MiB. */
export const valueDirectory = (store: { get(key: string, type: 'stream'): Promise<ReadableStream<Uint8Array> | null> }, prefix: string): ByteDirectory =>
  directory(prefix, async (path) => {
    const body = await store.get(`${prefix}/${path}`, 'stream');
    return body && { body, size: null };
  });
