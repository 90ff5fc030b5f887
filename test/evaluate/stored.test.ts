import { describe, expect, it } from 'vitest';
import type { ByteSource } from '../../src/core/bytes.ts';
import { liveBase } from '../../src/evaluate/base.ts';
import { compareWindow } from '../../src/evaluate/divergence.ts';
import { CheckSum, rowBytes, storedLayout, type StoredInfo } from '../../src/evaluate/stored/format.ts';
import { openStored } from '../../src/evaluate/stored/read.ts';
import { RowDecoder, RowEncoder } from '../../src/evaluate/stored/rows.ts';
import { distribution, read } from '../../src/evaluate/softmax.ts';
import { tinyExpected, tinyLogits } from '../support/tiny.ts';
import { gaussian } from '../support/tiny-model.ts';
import { playback, rowsOf } from './fakes.ts';

const { ids, vocab } = tinyExpected('llama3');
const rows = rowsOf(tinyLogits('llama3'), vocab);
const noise = rowsOf(tinyLogits('linear'), vocab);
const disturbed = rows.map((row, t) => row.map((x, i) => x + noise[t]![i]! / 4));
const tokens = Int32Array.from(ids);

const source = (bytes: Uint8Array): ByteSource => ({
  name: 'base.kl',
  size: bytes.length,
  read: async (offset, target) => target.set(bytes.subarray(offset, offset + target.length)),
});

/** A file of one window of the tiny model. */
function stored(top: number): Uint8Array {
  const info: StoredInfo = { vocab, context: ids.length, windows: 1, top, ids: '0'.repeat(64), model: { name: 'tiny' } };
  const layout = storedLayout(info);
  const file = new Uint8Array(layout.bytes);
  file.set(layout.header);
  const encoder = new RowEncoder(info);
  rows.slice(0, -1).forEach((row, t) => encoder.encode(row, ids[t + 1]!, file.buffer, layout.rows + t * layout.rowBytes));
  const sum = new CheckSum();
  sum.add(new Uint32Array(file.buffer, layout.rows));
  new Uint32Array(file.buffer, layout.sums, 1)[0] = sum.value;
  return file;
}

const figuresOf = async (top: number) => compareWindow(await openStored(source(stored(top))), [playback(disturbed, 64)], 0, tokens);

describe('a stored base', () => {
  it('of all tokens gives the figures of the model itself, up to the rounding of codes', async () => {
    const live = await compareWindow(liveBase(playback(rows, 64)), [playback(disturbed, 64)], 0, tokens);
    const own = await figuresOf(0);
    const step = 40 / 65535;
    live.baseNll.forEach((nll, t) => expect(Math.abs(own.baseNll[t]! - nll)).toBeLessThan(1e-6));
    live.candidates[0]!.kl.forEach((kl, t) => expect(Math.abs(own.candidates[0]!.kl[t]! - kl)).toBeLessThan(step));
    expect(own.candidates[0]!.nll).toEqual(live.candidates[0]!.nll);
    expect(own.candidates[0]!.sameTop).toEqual(live.candidates[0]!.sameTop);
    live.candidates[0]!.change.forEach((x, t) => expect(Math.abs(own.candidates[0]!.change[t]! - x)).toBeLessThan(1e-6));
  });

  it('of the likeliest tokens never tells more than all do, and comes near with many', async () => {
    const all = (await figuresOf(0)).candidates[0]!;
    for (const [top, share] of [[1, 0.02], [100, 0.8], [vocab, 0.999]] as const) {
      const some = (await figuresOf(top)).candidates[0]!;
      some.kl.forEach((kl, t) => expect(kl).toBeLessThan(all.kl[t]! + 1e-4));
      expect(some.kl.reduce((a, b) => a + b) / all.kl.reduce((a, b) => a + b)).toBeGreaterThan(share);
      expect(some.sameTop).toEqual(all.sameTop);
      expect(some.nll).toEqual(all.nll);
    }
  });
});

describe('rows', () => {
  const shape = { vocab: 50, top: 0 };
  const next = gaussian(7);
  const logits = Float32Array.from({ length: 50 }, () => 4 * next());

  it('hold log-probabilities within half a step of those of the softmax', () => {
    const buffer = new ArrayBuffer(rowBytes(shape));
    new RowEncoder(shape).encode(logits, 3, buffer, 0);
    const truth = distribution(50);
    read(truth, logits);
    const [scale, min] = new Float32Array(buffer, 0, 2);
    const codes = new Uint16Array(buffer, 16, 50);
    logits.forEach((x, i) => expect(Math.abs(min! + scale! * codes[i]! - (x - truth.logSum))).toBeLessThanOrEqual(scale! * 1.01 * (i === truth.top ? 1 : 0.5) + 1e-6));
    expect(codes.indexOf(65535)).toBe(truth.top);
  });

  it('tell the first of equals as the most likely, and take impossible tokens', () => {
    const buffer = new ArrayBuffer(rowBytes({ vocab: 4, top: 0 }));
    new RowEncoder({ vocab: 4, top: 0 }).encode(Float32Array.of(-Infinity, 2, 2, -1e30), 1, buffer, 0);
    const row = new RowDecoder({ vocab: 4, top: 0 }).decode(buffer, 0);
    expect([row.top, row.nll]).toEqual([1, expect.closeTo(Math.LN2, 6)]);
  });

  it('of the likeliest tokens hold the ids by descending probability, equals by ascending id, and the rest as one', () => {
    const some = { vocab: 5, top: 3 };
    const buffer = new ArrayBuffer(rowBytes(some));
    new RowEncoder(some).encode(Float32Array.of(0, 1, 0, 3, 0), 4, buffer, 0);
    expect([...new Uint32Array(buffer, 16 + 8, 3)]).toEqual([3, 1, 0]);
    const sum = 3 + Math.E + Math.exp(3);
    expect(new Float32Array(buffer, 8, 2)).toEqual(Float32Array.of(-Math.log(sum), Math.log(2 / sum)));
  });
});

describe('openStored()', () => {
  const good = stored(0);
  const changed = (change: (bytes: Uint8Array<ArrayBuffer>) => void): Uint8Array => {
    const bytes = good.slice();
    change(bytes);
    return bytes;
  };
  const header = storedLayout({ vocab, context: ids.length, windows: 1, top: 0, ids: '0'.repeat(64), model: { name: 'tiny' } });

  it.each([
    ['another file', changed((bytes) => bytes.set([0])), 'invalid_file', /does not begin with TETRBASE/],
    ['an empty file', new Uint8Array(0), 'invalid_file', /0 bytes/],
    ['a later version', changed((bytes) => bytes.set([9], 8)), 'unsupported_version', /version is 9, needed is 1/],
    ['a file cut off in its header', good.slice(0, 40), 'invalid_file', /inside its header/],
    ['a file cut off in its rows', good.slice(0, -5), 'invalid_file', new RegExp(`has ${good.length - 5} bytes, needed are ${good.length}`)],
    ['a file that is too long', Uint8Array.of(...good, 0), 'invalid_file', /needed are/],
    ['a header that is no JSON', changed((bytes) => bytes.set([0x21], 16)), 'invalid_file', /not JSON/],
    ['a header length beyond reason', changed((bytes) => bytes.set([255, 255, 255, 255], 12)), 'invalid_file', /states 4294967295 bytes/],
    ['a window that is missing', changed((bytes) => bytes.fill(0, header.sums, header.sums + 4)), 'invalid_file', /window 1 is missing/],
  ])('refuses %s', async (_, bytes, code, message) => {
    await expect(openStored(source(bytes))).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('notices a changed row when its window ends', async () => {
    const base = await openStored(source(changed((bytes) => bytes.set([bytes[header.rows + 99]! ^ 1], header.rows + 99))));
    await expect(compareWindow(base, [playback(disturbed, 64)], 0, tokens)).rejects.toMatchObject({ code: 'digest_mismatch', message: expect.stringMatching(/check sum of window 1/) });
  });
});

describe('CheckSum', () => {
  const of = (...words: number[]): number => {
    const sum = new CheckSum();
    for (const word of words) sum.add(Uint32Array.of(word));
    return sum.value;
  };

  it('depends on every word and its place, not on how words are handed in', () => {
    const whole = new CheckSum();
    whole.add(Uint32Array.of(1, 2, 3));
    expect(whole.value).toBe(of(1, 2, 3));
    expect(new Set([of(1, 2, 3), of(2, 1, 3), of(1, 2, 4), of(1, 2), of(0, 1, 2, 3)]).size).toBe(5);
  });
});
