import { describe, expect, it } from 'vitest';
import { readGgufHeader } from '../../src/importers/gguf/header.ts';
import { bytesSource } from '../support/bytes.ts';
import {
  array, concat, f32, float, string, strings, text, tinyMetadata, tinyTensors, u32, u64, uint, VALUE, writeGguf, type TestGguf,
} from '../support/gguf.ts';

const read = (file: TestGguf) => readGgufHeader(bytesSource(writeGguf(file)));
const tensor = { name: 't', dims: [4, 2], type: 0, data: f32(0, 1, 2, 3, 4, 5, 6, 7) };

describe('readGgufHeader()', () => {
  it('gives metadata of every kind', async () => {
    const { metadata } = await read({
      metadata: [
        ['bool', [VALUE.bool, new Uint8Array([1])]],
        ['u8', [VALUE.u8, new Uint8Array([200])]],
        ['negative', [VALUE.i32, u32(0xffffffff)]],
        ['float', float(0.5)],
        ['safe', [VALUE.u64, u64(2 ** 40)]],
        ['huge', [VALUE.u64, u64(2n ** 63n)]],
        ['text', string('\ufeffnaïve 🙂')],
        ['texts', strings(['a', '', 'b'])],
        ['nested', array(VALUE.array, [concat(u32(VALUE.u8), u64(2), new Uint8Array([7, 8]))])],
      ],
    });
    expect(Object.fromEntries(metadata)).toEqual({
      bool: true, u8: 200, negative: -1, float: 0.5, safe: 2 ** 40, huge: 2n ** 63n, text: '\ufeffnaïve 🙂', texts: ['a', '', 'b'], nested: [[7, 8]],
    });
  });

  it.each([2, 3])('reads version %d', async (version) => {
    const { tensors } = await read({ version, tensors: [tensor, { ...tensor, name: 'u', dims: [8] }] });
    expect([...tensors.keys()]).toEqual(['t', 'u']);
    expect(tensors.get('t')).toMatchObject({ rows: 2, cols: 4, type: { name: 'F32' } });
    expect(tensors.get('u')).toMatchObject({ rows: 1, cols: 8 });
    expect(tensors.get('u')!.offset - tensors.get('t')!.offset).toBe(32);
  });

  it('reads a header larger than its window in windows', async () => {
    const words = Array.from({ length: 30000 }, (_, i) => `token number ${i}`);
    const source = bytesSource(writeGguf({ metadata: [['words', strings(words)]], tensors: [tensor] }));
    expect((await readGgufHeader(source)).metadata.get('words')).toEqual(words);
    expect(source.largest).toBe(256 * 1024);
    expect(source.reads).toBeLessThan(6);
  });

  it('obeys general.alignment', async () => {
    const odd = { metadata: [['general.alignment', uint(8)]] as const, tensors: [tensor, { ...tensor, name: 'u', offset: 40 }] };
    expect((await read(odd)).tensors.get('u')!.offset % 8).toBe(0);
    await expect(read({ ...odd, metadata: [] })).rejects.toMatchObject({ code: 'invalid_file', message: expect.stringMatching(/alignment 32/) });
  });

  it.each<[string, TestGguf | Uint8Array, string, RegExp]>([
    ['an empty file', new Uint8Array(0), 'invalid_file', /the header of 24 bytes/],
    ['another magic', concat(text('not a GGUF file at all'), new Uint8Array(64)), 'invalid_file', /does not begin with "GGUF"/],
    ['a big-endian file', { version: 0x03000000 }, 'invalid_file', /big-endian/],
    ['version 1', { version: 1 }, 'unsupported_version', /version 1, supported are 2 and 3/],
    ['version 4', { version: 4 }, 'unsupported_version', /version 4/],
    ['more tensors than fit', { tensorCount: 2n ** 64n - 1n }, 'invalid_file', /the number of tensors is 18446744073709551615/],
    ['more entries than fit', { entryCount: 2 ** 50 }, 'invalid_file', /the number of metadata entries/],
    ['a string longer than the file', { metadata: [['k', [VALUE.string, u64(2 ** 60)]]] }, 'invalid_file', /length of metadata "k"/],
    ['an array longer than the file', { metadata: [['k', array(VALUE.u32, [], 2n ** 62n)]] }, 'invalid_file', /length of metadata "k"/],
    ['arrays nested too deep', { metadata: [['k', nested(6)]] }, 'invalid_file', /nests arrays deeper than 4/],
    ['an unknown value type', { metadata: [['k', [13, u64(0)]]] }, 'invalid_file', /value type 13/],
    ['a key twice', { metadata: [['k', uint(1)], ['k', uint(2)]] }, 'invalid_file', /"k" occurs twice/],
    ['alignment 0', { metadata: [['general.alignment', uint(0)]] }, 'invalid_file', /alignment/],
    ['alignment 24', { metadata: [['general.alignment', uint(24)]] }, 'invalid_file', /alignment/],
    ['no dimensions', { tensors: [{ ...tensor, dims: [] }] }, 'invalid_file', /0 dimensions/],
    ['five dimensions', { tensors: [{ ...tensor, dims: [8, 1, 1, 1, 1] }] }, 'invalid_file', /5 dimensions/],
    ['a dimension of 0', { tensors: [{ ...tensor, dims: [4, 0] }] }, 'invalid_file', /shape \[4,0\]/],
    ['dimensions whose product overflows', { tensors: [{ ...tensor, dims: [2n ** 32n, 2n ** 32n] }] }, 'invalid_file', /shape/],
    ['an unknown tensor type', { tensors: [{ ...tensor, type: 99 }] }, 'unsupported_type', /"t" has type 99, supported are F32, F16/],
    ['rows that are no whole blocks', { tensors: [{ ...tensor, type: 2 }] }, 'invalid_file', /rows of 4 values in Q4_0 blocks of 32/],
    ['a tensor beyond the end', { tensors: [{ ...tensor, dims: [4, 200] }] }, 'invalid_file', /ends at 3200 of 32/],
    ['an offset beyond the end', { tensors: [{ ...tensor, offset: 2n ** 64n - 32n }] }, 'invalid_file', /ends at/],
    ['an unaligned offset', { tensors: [tensor, { ...tensor, name: 'u', offset: 33 }] }, 'invalid_file', /alignment/],
    ['overlapping tensors', { tensors: [tensor, { ...tensor, name: 'u', offset: 0 }] }, 'invalid_file', /"t" and "u" overlap/],
    ['a tensor twice', { tensors: [tensor, tensor] }, 'invalid_file', /"t" occurs twice/],
    ['a name of 1 KB', { tensors: [{ ...tensor, name: 'n'.repeat(1024) }] }, 'invalid_file', /length of a tensor name is 1024/],
  ])('refuses %s', async (_, file, code, message) => {
    const bytes = file instanceof Uint8Array ? file : writeGguf(file);
    await expect(readGgufHeader(bytesSource(bytes))).rejects.toMatchObject({ name: 'TetradError', code, message: expect.stringMatching(message) });
  });

  it('refuses every truncation', async () => {
    const whole = writeGguf({ metadata: tinyMetadata, tensors: tinyTensors });
    for (let length = 0; length < whole.length; length += 7) {
      await expect(readGgufHeader(bytesSource(whole.subarray(0, length)))).rejects.toMatchObject({ code: 'invalid_file' });
    }
  });

  it('stops when aborted', async () => {
    await expect(readGgufHeader(bytesSource(writeGguf({})), AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
  });
});

function nested(depth: number): readonly [number, Uint8Array] {
  let [type, bytes]: readonly [number, Uint8Array] = array(VALUE.u8, []);
  for (let i = 0; i < depth; i++) [type, bytes] = array(type, [bytes]);
  return [type, bytes];
}
