import type { ByteSource } from '../core/bytes.ts';
import { TetradError } from '../core/errors.ts';

/** Bytes of a read. */
const READ_BYTES = 64 * 1024;

/**
 * A body in parts, each valid until the next. Where streams allow it one buffer is used for all: parts of their own, 4 kB each in workerd, pile up to as much
 * as the body before they are collected.
 */
async function* parts(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let reader: ReadableStreamBYOBReader | null = null;
  try {
    reader = body.getReader({ mode: 'byob' });
  } catch {
    yield* body; // no stream of bytes
    return;
  }
  try {
    let buffer = new ArrayBuffer(READ_BYTES);
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(buffer), { min: buffer.byteLength });
      if (value && value.length > 0) yield value;
      if (done) return;
      buffer = value.buffer;
    }
  } finally {
    await reader.cancel();
  }
}

/** The whole of a body, for those of unknown size. */
async function wholeSource(name: string, body: ReadableStream<Uint8Array>): Promise<ByteSource> {
  const bytes = new Uint8Array(await new Response(body).arrayBuffer());
  return {
    name, size: bytes.length,
    read: async (offset, target) => target.set(bytes.subarray(offset, offset + target.length)),
  };
}

/**
 * A stream's bytes, copied as they come to where they are to lie; for readers that want all of them in one read. Without a size it is held in memory
 * first. A body that is longer or shorter than its size is refused.
 */
export async function bodySource(name: string, body: ReadableStream<Uint8Array>, size: number | undefined): Promise<ByteSource> {
  if (size === undefined) return wholeSource(name, body);
  return {
    name, size,
    async read(offset, target, signal) {
      if (offset !== 0 || target.length !== size) throw new TetradError('invalid_argument', `Cannot read ${name}: it is a stream, needed is one read of all ${size} bytes`);
      let done = 0;
      for await (const part of parts(body)) {
        signal?.throwIfAborted();
        if (done + part.length > size) throw new TetradError('invalid_file', `Cannot read ${name}: it has more than ${size} bytes`);
        target.set(part, done);
        done += part.length;
      }
      if (done < size) throw new TetradError('invalid_file', `Cannot read ${name}: it ends at byte ${done}, needed ${size - done} more`);
    },
    close: async () => {
      if (!body.locked) await body.cancel();
    },
  };
}
