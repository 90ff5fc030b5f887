import { describe, expect, it } from 'vitest';
import { pause } from '../../src/core/pause.ts';
import type { Manifest, ModelImage, Piece } from '../../src/models/image.ts';
import { fill } from '../../src/runtime/fill.ts';
import { wholeRegion } from '../../src/runtime/regions.ts';

const COUNT = 7;

/** An image of 7 pieces of 10 bytes, all equal to the piece's number; the `bad` one fails. */
function imageOf(parallel: number | undefined, bad = COUNT) {
  const seen = { begun: [] as number[], ended: [] as number[], most: 0, closed: false };
  const image: ModelImage = {
    manifest: { bytes: COUNT * 10 } as Manifest,
    parallel,
    *pieces(): Iterable<Piece> {
      try {
        for (let i = 0; i < COUNT; i++) {
          yield {
            offset: i * 10,
            bytes: 10,
            async fill(target) {
              seen.begun.push(i);
              seen.most = Math.max(seen.most, seen.begun.length - seen.ended.length);
              for (let turn = 0; turn <= i % 3; turn++) await pause();
              seen.ended.push(i);
              if (i === bad) throw new Error(`piece ${i}`);
              target.fill(i);
            },
          };
        }
      } finally {
        seen.closed = true;
      }
    },
    close: async () => {},
  };
  return { image, seen };
}

describe('fill()', () => {
  it.each([[undefined, 1], [2, 2], [20, COUNT]])('fills as many pieces at once as the image allows: %o', async (parallel, most) => {
    const { image, seen } = imageOf(parallel);
    const target = new Uint8Array(COUNT * 10);
    const loaded: number[] = [];
    await fill(image, wholeRegion(target), { onProgress: (progress) => loaded.push(progress.loaded) });
    expect(seen.most).toBe(most);
    expect(Array.from({ length: COUNT }, (_, i) => target[i * 10 + 9])).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(loaded).toEqual([10, 20, 30, 40, 50, 60, 70]);
  });

  it('after an error begins no more, and waits for those begun', async () => {
    const { image, seen } = imageOf(2, 2);
    await expect(fill(image, wholeRegion(new Uint8Array(COUNT * 10)), {})).rejects.toThrow('piece 2');
    expect(seen.ended.toSorted()).toEqual(seen.begun.toSorted());
    expect(seen.begun.length).toBeLessThan(COUNT);
    expect(seen.closed).toBe(true);
  });

  it('stops with the reason of its signal', async () => {
    const { image, seen } = imageOf(2);
    await expect(fill(image, wholeRegion(new Uint8Array(COUNT * 10)), { signal: AbortSignal.abort('enough') })).rejects.toBe('enough');
    expect(seen.begun).toEqual([]);
  });
});
