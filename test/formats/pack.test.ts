import { describe, expect, it } from 'vitest';
import { f16ToF32, f32ToF16 } from '../../src/core/numeric.ts';
import { dequantise } from '../../src/formats/dequantise.ts';
import { headerBytes, headerFlags, panelBytes, segmentPanelBytes } from '../../src/formats/layout.ts';
import type { WeightFormat } from '../../src/formats/number-format.ts';
import { blocksOf, packFloatPanels, packPanels, type SegmentCodes } from '../../src/formats/pack.ts';
import { bf16Above, packRowScales } from '../../src/formats/row-scales.ts';
import { unpackFloatPanels, unpackPanels } from '../../src/formats/unpack.ts';
import { viewsOf } from '../../src/backends/memory.ts';
import { repackU6 } from '../../src/backends/reference/repack.ts';
import { blockAddress, codeAt, readSegment, scaleAndOffset } from '../../src/backends/reference/segment.ts';
import { SEGMENT_BYTES } from '../../src/formats/descriptor.ts';
import { writeFloatRow, writeSegments } from '../../src/kernels/segment.ts';

const BITS = [3, 4, 6, 8] as const;
const BLOCKS = [16, 32, 64, 128] as const;
type Kind = Pick<WeightFormat, 'scale' | 'zero'>;
const KINDS: readonly Kind[] = [
  ...(['f16', 'u8'] as const).flatMap((scale) => (['mid', 'int', 'min'] as const).map((zero) => ({ scale, zero }))), { scale: 'u3', zero: 'u3' },
];
const ROW_KINDS: readonly Kind[] = (['mid', 'min'] as const).map((zero) => ({ scale: 'bf16', zero }));

const formatsOf = (bits: WeightFormat['bits']): WeightFormat[] => [
  ...BLOCKS.flatMap((block) => KINDS.filter(({ scale }) => scale !== 'u3' || bits <= 4).map((kind) => ({ bits, block, ...kind }))),
  ...ROW_KINDS.map((kind) => ({ bits, block: 'row' as const, ...kind })),
];

/** Every code value occurs; header entries are distinct and use both bytes where they have two. */
function fill(format: WeightFormat, rows: number, length: number): SegmentCodes {
  const blocks = blocksOf(format, length);
  const codes = Uint8Array.from({ length: rows * length }, (_, i) => (i * 7 + (i >> 5)) & ((1 << format.bits) - 1));
  if (format.scale === 'bf16') return { rows, length, codes, scales: new Uint16Array(0), zeros: new Uint16Array(0) };
  if (format.scale === 'u3') {
    const [scales, zeros] = [5, 3].map((step) => Uint16Array.from({ length: rows * blocks }, (_, i) => ((i * step + (i >> 4)) >> 1) & 7));
    const shared = Uint16Array.from({ length: Math.ceil(rows / 16) * blocks * 4 }, (_, i) => (i * 40503 + 11) & 0xffff);
    return { rows, length, codes, scales: scales!, zeros: zeros!, shared };
  }
  const byte = format.scale === 'u8' ? 0xff : 0xffff;
  const scales = Uint16Array.from({ length: rows * blocks }, (_, i) => (i * 517 + 3) & byte);
  const zeros = Uint16Array.from({ length: format.zero === 'mid' ? 0 : rows * blocks }, (_, i) => (i * 771 + 129) & (format.zero === 'int' ? 0xff : byte));
  return { rows, length, codes, scales, zeros };
}

const equal = (a: ArrayLike<number>, b: ArrayLike<number>): boolean => a.length === b.length && Array.prototype.every.call(a, (x, i) => x === b[i]);
const same = (a: SegmentCodes, b: SegmentCodes): boolean =>
  equal(a.codes, b.codes) && equal(a.scales, b.scales) && equal(a.zeros, b.zeros) && equal(a.shared ?? [], b.shared ?? []);

function pack(format: WeightFormat, source: SegmentCodes): Uint8Array {
  const out = new Uint8Array(Math.ceil(source.rows / 16) * panelBytes(format, source.length));
  packPanels(format, source, out);
  return out;
}

describe('packPanels()', () => {
  for (const bits of BITS) {
    it(`is undone by unpackPanels() for ${bits} bits, every block, header kind and tail`, () => {
      const failed: string[] = [];
      for (const format of formatsOf(bits)) {
        for (const length of [1, 7, 16, 33, 40, 127, 128, 576, 1536]) {
          for (const rows of length > 200 ? [16] : [1, 15, 16, 37]) {
            const source = fill(format, rows, length);
            const packed = pack(format, source);
            if (!same(unpackPanels(format, rows, length, packed), source)) failed.push(JSON.stringify({ format, rows, length }));
          }
        }
      }
      expect(failed).toEqual([]);
    });
  }

  it('fills every byte of its panels: an image holds nothing from before', () => {
    for (const format of BITS.flatMap(formatsOf)) {
      const source = fill(format, 19, 40);
      const out = new Uint8Array(2 * panelBytes(format, 40)).fill(0xff);
      packPanels(format, source, out);
      expect(out, JSON.stringify(format)).toEqual(pack(format, source));
    }
  });

  it('keeps every code in every place: 3 bits by 16 channels by 16 rows, every pair of neighbours', () => {
    const format: WeightFormat = { bits: 3, block: 16, scale: 'u3', zero: 'u3' };
    const empty = fill(format, 16, 16);
    for (let code = 0; code < 8; code++) {
      for (let at = 0; at < 256; at++) {
        const codes = new Uint8Array(256).fill(7 - code);
        codes[at] = code;
        const unpacked = unpackPanels(format, 16, 16, pack(format, { ...empty, codes }));
        if (!equal(unpacked.codes, codes)) throw new Error(`code ${code} at ${at} is lost`);
      }
    }
  });

  it('puts codes where the reference kernel reads them once 6 bits are repacked, zero in rows and channels of the padding', () => {
    for (const bits of BITS) {
      const format: WeightFormat = { bits, block: 32, scale: 'f16', zero: 'min' };
      const source = fill(format, 19, 39);
      const packed = pack(format, source);
      const table = Math.ceil(packed.length / 64) * 64;
      const memory = viewsOf(new ArrayBuffer(table + SEGMENT_BYTES));
      memory.u8.set(packed);
      writeSegments(memory, table, [{ length: 39, weight: format, act: { bits: 8, block: 32, clip: 1 }, data: 0, rowScales: 0 }]);
      repackU6(memory, table, 1, 0, 2);
      const header = headerBytes(headerFlags(format));
      for (let row = 0; row < 32; row++) {
        for (let k = 0; k < 48; k++) {
          const block = (row >> 4) * panelBytes(format, 39) + (k >> 5) * (header + 2 * bits * 32);
          const expected = row < 19 && k < 39 ? source.codes[row * 39 + k] : 0;
          expect(codeAt(memory, bits, block + header, row & 15, k & 31)).toBe(expected);
        }
      }
    }
  });

  it('gives hand-computed bytes for one step of 4 bits', () => {
    const format: WeightFormat = { bits: 4, block: 32, scale: 'f16', zero: 'mid' };
    const codes = Uint8Array.from({ length: 2 * 8 }, (_, i) => (i < 8 ? i : 15 - (i - 8)));
    const packed = pack(format, { rows: 2, length: 8, codes, scales: Uint16Array.of(0x3c00, 0x1234), zeros: new Uint16Array(0) });
    expect(packed.length).toBe(32 + 128);
    expect([...packed.subarray(0, 6)]).toEqual([0x00, 0x3c, 0x34, 0x12, 0, 0]);
    expect([...packed.subarray(32, 44)]).toEqual([0x40, 0x51, 0x62, 0x73, 0xbf, 0xae, 0x9d, 0x8c, 0, 0, 0, 0]);
    expect(packed.subarray(44).every((byte) => byte === 0)).toBe(true);
  });

  it('gives hand-computed bytes for one step of 8 bits: low nibbles, then high ones', () => {
    const format: WeightFormat = { bits: 8, block: 32, scale: 'u8', zero: 'int' };
    const codes = Uint8Array.of(0x10, 0x21, 0x32, 0x43, 0xa5, 0xb6, 0xc7, 0xd8);
    const packed = pack(format, { rows: 1, length: 8, codes, scales: Uint16Array.of(200), zeros: Uint16Array.of(77) });
    expect(packed.length).toBe(32 + 256);
    expect([packed[0], packed[1], packed[16], packed[17]]).toEqual([200, 0, 77, 0]);
    expect([...packed.subarray(32, 37)]).toEqual([0x50, 0x61, 0x72, 0x83, 0]);
    expect([...packed.subarray(48, 53)]).toEqual([0xa1, 0xb2, 0xc3, 0xd4, 0]);
  });

  it('gives hand-computed bytes for one step of 6 bits: two vectors of nibbles, one of top bits', () => {
    const format: WeightFormat = { bits: 6, block: 32, scale: 'u8', zero: 'min' };
    const codes = Uint8Array.from({ length: 16 }, (_, i) => [0x31, 0x02, 0x13, 0x24][i >> 2]! + (i & 3));
    const packed = pack(format, { rows: 1, length: 16, codes, scales: Uint16Array.of(9), zeros: Uint16Array.of(0x80) });
    expect(packed.length).toBe(32 + 192);
    expect([packed[0], packed[16]]).toEqual([9, 0x80]);
    expect([...packed.subarray(32, 36)]).toEqual([0x21, 0x32, 0x43, 0x54]);
    expect([...packed.subarray(48, 52)]).toEqual([0x43, 0x54, 0x65, 0x76]);
    expect([...packed.subarray(64, 68)]).toEqual([0x93, 0x93, 0x93, 0x93]);
  });

  it('gives hand-computed bytes for one step of 3 bits: low pairs by quad, then top bits of two quads to a vector', () => {
    const codes = new Uint8Array(16 * 16);
    codes.set([1, 0, 0, 0, 2, 0, 0, 0, 7, 0, 0, 0, 4], 0); // row 0: channels 0, 4, 8, 12
    codes.set([0, 0, 0, 5], 5 * 16); // row 5: quad 1, row 1 of it, channel 3
    const none = new Uint16Array(0);
    const packed = pack({ bits: 3, block: 'row', scale: 'bf16', zero: 'mid' }, { rows: 16, length: 16, codes, scales: none, zeros: none });
    expect(packed.length).toBe(96);
    expect([...packed.entries()].filter(([, byte]) => byte !== 0)).toEqual([[0, 0b00_11_10_01], [16 + 4 + 3, 0b01], [64, 0b1100], [64 + 4 + 3, 0b1_0000]]);
  });

  it('gives hand-computed bytes for a header of shared grids: four halves, then 3 bits a row of scales and of zeros', () => {
    const format: WeightFormat = { bits: 3, block: 16, scale: 'u3', zero: 'u3' };
    const [scales, zeros] = [new Uint16Array(16), new Uint16Array(16)];
    scales.set([5, 0, 7]); // 101, 000 and 111 from bit 6: over two bytes
    zeros[15] = 6; // bits 45..47
    const packed = pack(format, { rows: 16, length: 1, codes: new Uint8Array(16), scales, zeros, shared: Uint16Array.of(0x1234, 0x5678, 0x9abc, 0xdef0) });
    expect([...packed.subarray(0, 20)]).toEqual([0x34, 0x12, 0x78, 0x56, 0xbc, 0x9a, 0xf0, 0xde, 0xc5, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xc0]);
    expect(packed.length).toBe(20 + 96);
  });

  it('gives hand-computed header bytes for each kind, minima after scales', () => {
    const one = (format: WeightFormat, zeros: number[]): number[] => {
      const packed = pack(format, { rows: 1, length: 1, codes: Uint8Array.of(1), scales: Uint16Array.of(0x2a), zeros: Uint16Array.from(zeros) });
      return [...packed.entries()].filter(([, byte]) => byte !== 0).map(([at, byte]) => at * 1000 + byte);
    };
    expect(one({ bits: 4, block: 32, scale: 'f16', zero: 'mid' }, [])).toEqual([42, 32001]);
    expect(one({ bits: 4, block: 32, scale: 'f16', zero: 'int' }, [5])).toEqual([42, 32005, 48001]);
    expect(one({ bits: 4, block: 32, scale: 'f16', zero: 'min' }, [0xb807])).toEqual([42, 32007, 33184, 64001]);
    expect(one({ bits: 4, block: 32, scale: 'u8', zero: 'mid' }, [])).toEqual([42, 16001]);
    expect(one({ bits: 4, block: 32, scale: 'u8', zero: 'int' }, [5])).toEqual([42, 16005, 32001]);
    expect(one({ bits: 4, block: 32, scale: 'u8', zero: 'min' }, [0xff])).toEqual([42, 16255, 32001]);
  });
});

describe('dequantise()', () => {
  it('gives s * q + m with the scale and offset that the reference kernel reads', () => {
    for (const kind of [...KINDS, ...ROW_KINDS]) {
      const format: WeightFormat = { bits: 4, block: kind.scale === 'bf16' ? 'row' : 32, ...kind };
      const source = fill(format, 17, 40);
      const half = (i: number): number => f32ToF16(0.01 * (i + 1));
      source.scales.forEach((_, i) => { if (format.scale === 'f16') source.scales[i] = half(i); });
      source.zeros.forEach((_, i) => { if (format.scale === 'f16' && format.zero === 'min') source.zeros[i] = half(-i - 2); });
      source.shared?.forEach((_, i) => { source.shared![i] = half(i % 3 ? i : -i); });
      const rowScales = format.scale === 'u8' || format.scale === 'bf16' ? Float32Array.from({ length: 64 }, (_, i) => bf16Above(0.003 * (i + 1))) : null;
      const packed = pack(format, source);
      const table = Math.ceil((packed.length + 256) / 64) * 64;
      const memory = viewsOf(new ArrayBuffer(table + SEGMENT_BYTES));
      memory.u8.set(packed);
      if (rowScales) new Uint32Array(memory.buffer).set(packRowScales(rowScales), packed.length / 4);
      writeFloatRow(memory, table, { from: 0, length: 40, weight: format, data: 0, rowScales: packed.length });
      const segment = readSegment(memory, table, 0);
      const values = dequantise(format, source, rowScales);
      for (let row = 0; row < 17; row++) {
        for (let k = 0; k < 40; k++) {
          const block = blockAddress(segment, row >> 4, Math.floor(k / segment.weightBlock));
          const [scale, offset] = scaleAndOffset(memory, segment, block, row >> 4, row & 15);
          expect(values[row * 40 + k]).toBe(Math.fround(Math.fround(scale * source.codes[row * 40 + k]!) + offset));
        }
      }
    }
  });

  it('gives scale * (q - 8) for a Q4_0-like grid with a negative scale', () => {
    const format: WeightFormat = { bits: 4, block: 32, scale: 'f16', zero: 'mid' };
    const codes = Uint8Array.from({ length: 16 }, (_, i) => i);
    const values = dequantise(format, { rows: 1, length: 16, codes, scales: Uint16Array.of(0xa123), zeros: new Uint16Array(0) }, null);
    expect([...values]).toEqual([...codes].map((code) => f16ToF32(0xa123) * (code - 8) + 0));
  });
});

describe('packFloatPanels()', () => {
  it.each([32, 16] as const)('is undone by unpackFloatPanels() and stores [K][16]: %d bits', (bits) => {
    const values = Float32Array.from({ length: 19 * 5 }, (_, i) => i + 0.5);
    const size = 2 * segmentPanelBytes({ bits }, 5);
    const out = new Uint8Array(size + 4).fill(0xff).subarray(4);
    packFloatPanels(values, 19, 5, out, bits);
    expect(unpackFloatPanels(19, 5, out, bits)).toEqual(values);
    const entry = (k: number, row: number): number => {
      const at = 4 + (k * 16 + row) * (bits / 8);
      const view = new DataView(out.buffer);
      return bits === 32 ? view.getFloat32(at, true) : f16ToF32(view.getUint16(at, true));
    };
    expect(size).toBe(2 * 5 * 16 * (bits / 8));
    expect([entry(1, 2), entry(5, 2), entry(5, 3)]).toEqual([2 * 5 + 1 + 0.5, 18 * 5 + 0.5, 0]);
  });

  it('rounds to halves as `f32ToF16`', () => {
    const values = Float32Array.of(1 + 2 ** -11, 1e-7, 1e6, -0.1);
    const out = new Uint8Array(segmentPanelBytes({ bits: 16 }, 4));
    packFloatPanels(values, 1, 4, out, 16);
    expect([...unpackFloatPanels(1, 4, out, 16)]).toEqual([1, 2 * 2 ** -24, 65504, f16ToF32(f32ToF16(-0.1))]);
  });
});
