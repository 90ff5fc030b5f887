import { describe, expect, it } from 'vitest';
import type { ByteDirectory } from '../../src/core/bytes.ts';
import { assetDirectory, bucketDirectory, valueDirectory } from '../../src/surfaces/adapters/bindings.ts';

const FILES: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = { 'm/a.bin': Uint8Array.of(1, 2, 3), 'm/empty': new Uint8Array(0) };

/** What was asked for, and how many bodies were let go of unread. */
interface Seen {
  readonly keys: string[];
  cancelled: number;
}

function streamOf(bytes: Uint8Array, seen: Seen): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      if (bytes.length > 0) controller.enqueue(bytes);
      controller.close();
    },
    cancel: () => void seen.cancelled++,
  }, { highWaterMark: 0 });
}

function assets(seen: Seen, headers: (bytes: Uint8Array) => HeadersInit = ({ length }) => ({ 'content-length': String(length) })): ByteDirectory {
  const fetch = async (url: string): Promise<Response> => {
    seen.keys.push(url);
    const bytes = FILES[url.replace('https://x/', '')];
    return bytes ? new Response(streamOf(bytes, seen), { headers: headers(bytes) }) : new Response('no', { status: 404 });
  };
  return assetDirectory({ fetch }, 'https://x/m');
}

const found = (key: string, seen: Seen): Uint8Array | undefined => {
  seen.keys.push(key);
  return FILES[key];
};

const kinds: readonly (readonly [string, string, (seen: Seen) => ByteDirectory])[] = [
  ['assetDirectory', 'https://x/m', assets],
  ['bucketDirectory', 'm', (seen) => bucketDirectory({
    get: async (key) => {
      const bytes = found(key, seen);
      return bytes ? { body: streamOf(bytes, seen), size: bytes.length } : null;
    },
  }, 'm')],
  ['valueDirectory', 'm', (seen) => valueDirectory({
    get: async (key) => {
      const bytes = found(key, seen);
      return bytes ? streamOf(bytes, seen) : null;
    },
  }, 'm')],
];

async function read(directory: ByteDirectory, path: string, bytes?: number): Promise<Uint8Array> {
  const source = await directory.open(path, bytes);
  const target = new Uint8Array(source.size);
  await source.read(0, target);
  await source.close?.();
  return target;
}

describe.each(kinds)('%s()', (_, prefix, make) => {
  it('reads what lies under its prefix, with a size that is known or not', async () => {
    const seen: Seen = { keys: [], cancelled: 0 };
    expect(await read(make(seen), 'a.bin')).toEqual(Uint8Array.of(1, 2, 3));
    expect(await read(make(seen), 'a.bin', 3)).toEqual(Uint8Array.of(1, 2, 3));
    expect(await read(make(seen), 'empty')).toEqual(new Uint8Array(0));
    expect(seen.keys).toEqual(['a.bin', 'a.bin', 'empty'].map((path) => `${prefix}/${path}`));
  });

  it('refuses what is not there, by its name', async () => {
    const seen: Seen = { keys: [], cancelled: 0 };
    await expect(make(seen).open('b.bin')).rejects.toMatchObject({ code: 'not_found', message: `Cannot open ${prefix}/b.bin: there is no such file` });
  });

  it('has() tells, and lets go of the body', async () => {
    const seen: Seen = { keys: [], cancelled: 0 };
    expect([await make(seen).has('a.bin'), await make(seen).has('b.bin')]).toEqual([true, false]);
    expect(seen.cancelled).toBe(1);
  });
});

describe('assetDirectory()', () => {
  it.each([500, 403, 301])('names a status of %i', async (status) => {
    const directory = assetDirectory({ fetch: async () => new Response('no', { status }) }, 'https://x/m');
    await expect(directory.open('a.bin')).rejects.toMatchObject({ code: 'io_error', message: `Cannot read https://x/m/a.bin: it answers ${status}` });
  });

  it('does not take the length of a coded body for that of its bytes', async () => {
    const seen: Seen = { keys: [], cancelled: 0 };
    const coded = assets(seen, () => ({ 'content-length': '2', 'content-encoding': 'br' }));
    expect(await read(coded, 'a.bin')).toEqual(Uint8Array.of(1, 2, 3));
    expect(await read(coded, 'a.bin', 3)).toEqual(Uint8Array.of(1, 2, 3));
  });

  it('refuses a body that is not as long as its header says', async () => {
    const seen: Seen = { keys: [], cancelled: 0 };
    await expect(read(assets(seen, () => ({ 'content-length': '5' })), 'a.bin')).rejects.toMatchObject({ code: 'invalid_file' });
  });
});
