import { describe, expect, it } from 'vitest';
import { bodySource } from '../../src/surfaces/body-source.ts';

const BYTES = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
const LARGE = new Uint8Array(500_000);

interface Body {
  readonly body: ReadableStream<Uint8Array>;
  readonly cancelled: () => boolean;
}

/** All of `bytes` in chunks of `size`; `type` as a byte stream, which lends its buffers, or as any other. */
function bodyOf(bytes: Uint8Array, size: number, type: 'bytes' | undefined): Body {
  let at = 0;
  let cancelled = false;
  const source = {
    ...(type && { type }),
    pull(controller: { enqueue(chunk: Uint8Array): void; close(): void; byobRequest?: { respond(bytes: number): void } | null }) {
      if (at < bytes.length) return controller.enqueue(bytes.slice(at, (at += size)));
      controller.close();
      controller.byobRequest?.respond(0);
    },
    cancel: () => void (cancelled = true),
  };
  return { body: new ReadableStream(source as unknown as UnderlyingDefaultSource<Uint8Array>), cancelled: () => cancelled };
}

const refused = (code: string, message: string): object => expect.objectContaining({ code, message: expect.stringContaining(message) });

describe.each([['bytes'], [undefined]] as const)('bodySource() of a stream of type %s', (type) => {
  it.each([[1000], [999], [7], [5000]])('is copied in order from chunks of %i', async (size) => {
    const source = await bodySource('a', bodyOf(BYTES, size, type).body, 1000);
    const target = new Uint8Array(1000);
    await source.read(0, target);
    expect([source.size, target]).toEqual([1000, BYTES]);
  });

  it('is held first where its size is unknown, and then read in any parts', async () => {
    const source = await bodySource('a', bodyOf(BYTES, 300, type).body, undefined);
    const target = new Uint8Array(10);
    await source.read(500, target);
    expect([source.size, target]).toEqual([1000, BYTES.slice(500, 510)]);
    await source.read(0, target);
    expect(target).toEqual(BYTES.slice(0, 10));
  });

  it('is refused where it is shorter or longer than its size', async () => {
    const short = await bodySource('a', bodyOf(BYTES, 300, type).body, 1100);
    await expect(short.read(0, new Uint8Array(1100))).rejects.toEqual(refused('invalid_file', 'it ends at byte 1000, needed 100 more'));
    const { body, cancelled } = bodyOf(LARGE.map(() => 1), 300, type);
    const long = await bodySource('a', body, 800);
    const target = new Uint8Array(900);
    await expect(long.read(0, target.subarray(0, 800))).rejects.toEqual(refused('invalid_file', 'it has more than 800 bytes'));
    expect(target.subarray(800)).toEqual(new Uint8Array(100));
    expect(cancelled()).toBe(true);
  });

  it('ends with the signal, and lets go of the body', async () => {
    const { body, cancelled } = bodyOf(LARGE, 100, type);
    const source = await bodySource('a', body, LARGE.length);
    await expect(source.read(0, new Uint8Array(LARGE.length), AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    expect(cancelled()).toBe(true);
  });

  it('takes one read of all', async () => {
    const source = await bodySource('a', bodyOf(BYTES, 100, type).body, 1000);
    await expect(source.read(10, new Uint8Array(990))).rejects.toEqual(refused('invalid_argument', 'one read of all 1000 bytes'));
    await expect(source.read(0, new Uint8Array(990))).rejects.toEqual(refused('invalid_argument', 'one read of all 1000 bytes'));
  });

  it('close() lets go of a body that nobody has read', async () => {
    const { body, cancelled } = bodyOf(BYTES, 100, type);
    await (await bodySource('a', body, 1000)).close!();
    expect(cancelled()).toBe(true);
  });
});

it('bodySource() passes on what breaks a body', async () => {
  const body = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error('cut')) });
  await expect((await bodySource('a', body, 10)).read(0, new Uint8Array(10))).rejects.toThrow('cut');
});
