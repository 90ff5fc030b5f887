import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openContainer } from '../../src/container/read.ts';
import { packTokenizer } from '../../src/container/tokenizer-form.ts';
import { writeContainer } from '../../src/container/write.ts';
import { SHARD_BYTES, type ModelImage, type Piece } from '../../src/models/image.ts';
import { RECIPE_NAMES, recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { bytesDirectory } from '../support/bytes.ts';
import { imageBytes } from '../support/image.ts';
import { memorySink } from '../support/memory-sink.ts';
import { pack, storeFor, type Packed } from '../support/pack.ts';
import { tinyStore } from '../support/tiny-model.ts';

/** By pieces: a table, two layers. */
const inPieces = (): ModelImage => quantize(tinyStore({ config: { tied: false } }), recipe('w4a8'));
const tinyImage = (name: string): Promise<Packed> => pack(storeFor(name, { config: { tied: name !== 'w8a8' } }), name);

async function written(image: ModelImage): Promise<Record<string, Uint8Array>> {
  const sink = memorySink();
  await writeContainer(image, sink);
  return sink.files!;
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

describe('writeContainer() and openContainer()', () => {
  for (const name of RECIPE_NAMES) {
    it(`give ${name} back: manifest and every byte`, async () => {
      const image = await tinyImage(name);
      const files = await written(image);
      expect(Object.keys(files)).toEqual(['00.bin', 'model.json']);
      const opened = await openContainer(bytesDirectory(files));
      expect(opened.manifest).toEqual({ ...image.manifest, tokenizer: packTokenizer(image.manifest.tokenizer) });
      expect(same(await imageBytes(opened), image.bytes)).toBe(true);
      expect(same(await imageBytes(opened), files['00.bin']!)).toBe(true);
    });
  }

  it('states the SHA-256 that node:crypto computes', async () => {
    const files = await written(await tinyImage('w4a8'));
    const { shards } = JSON.parse(new TextDecoder().decode(files['model.json']));
    expect(shards).toEqual([{ bytes: files['00.bin']!.length, sha256: createHash('sha256').update(files['00.bin']!).digest('hex') }]);
  });

  it('cuts shards of 24 MiB whatever the pieces are', async () => {
    const total = SHARD_BYTES * 2 + 4096;
    const sizes = [1_000_000, SHARD_BYTES - 1_000_000, 700_000, SHARD_BYTES];
    const pieces: Piece[] = [];
    for (let offset = 0; offset < total;) {
      const bytes = Math.min(sizes[pieces.length] ?? 300_000, total - offset);
      const fill = async (target: Uint8Array): Promise<void> => void target.fill(pieces.findIndex((p) => p.offset === target.byteOffset) + 1).fill(bytes & 255, 0, 9);
      pieces.push({ offset, bytes, fill });
      offset += bytes;
    }
    const expected = new Uint8Array(total);
    for (const piece of pieces) await piece.fill(expected.subarray(piece.offset, piece.offset + piece.bytes));
    const fill = (piece: Piece) => async (target: Uint8Array): Promise<void> => target.set(expected.subarray(piece.offset, piece.offset + piece.bytes));
    const sizesWritten: number[] = [];
    let at = 0;
    const sink = {
      create: async (name: string) => ({
        write: async (bytes: Uint8Array) => {
          if (name === 'model.json') return;
          sizesWritten.push(bytes.length);
          expect(same(bytes, expected.subarray(at, at + bytes.length))).toBe(true);
          at += bytes.length;
        },
        close: async () => {},
      }),
      commit: async () => {},
      abort: async () => {},
    };
    const manifest = { ...(await tinyImage('f32')).manifest, bytes: total };
    await writeContainer({ manifest, pieces: () => pieces.map((piece) => ({ ...piece, fill: fill(piece) })), close: async () => {} }, sink);
    expect(sizesWritten).toEqual([SHARD_BYTES, SHARD_BYTES, 4096]);
  });

  it('abort the sink when a piece, a write or the signal fails, and commit nothing', async () => {
    const image = inPieces();
    const broken = { ...image, *pieces() { yield { offset: 0, bytes: 64, fill: () => Promise.reject(new Error('unreadable')) }; } };
    const sink = memorySink();
    await expect(writeContainer(broken, sink)).rejects.toThrow('unreadable');
    expect([sink.files, sink.aborted]).toEqual([null, true]);
    const controller = new AbortController();
    const stopped = memorySink();
    const onProgress = ({ loaded }: { loaded: number }): void => { if (loaded > 20000) controller.abort(); };
    await expect(writeContainer(inPieces(), stopped, { signal: controller.signal, onProgress })).rejects.toThrow(/abort/i);
    expect([stopped.files, stopped.aborted]).toEqual([null, true]);
  });

  it('report progress up to the size of the image', async () => {
    const seen: number[] = [];
    const image = inPieces();
    await writeContainer(image, memorySink(), { onProgress: ({ stage, loaded, total }) => seen.push(stage === 'write' && total === image.manifest.bytes ? loaded : -1) });
    expect(seen.at(-1)).toBe(image.manifest.bytes);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });
});
