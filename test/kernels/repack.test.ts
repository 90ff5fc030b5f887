import { expect, it } from 'vitest';
import { openReference } from '../../src/backends/reference/index.ts';
import { codeAt } from '../../src/backends/reference/segment.ts';
import { headerBytes, headerFlags, panelBytes } from '../../src/formats/layout.ts';
import type { WeightFormat } from '../../src/formats/number-format.ts';
import { packPanels } from '../../src/formats/pack.ts';
import { writeSegments } from '../../src/kernels/segment.ts';
import { lcg } from '../support/linear.ts';
import { expectSame } from '../support/kernels.ts';

const act = { bits: 8, block: 64, clip: 1 } as const;
const six = (block: 32 | 64 | 128): WeightFormat => ({ bits: 6, block, scale: 'f16', zero: 'mid' });

it.each([[16, 32], [64, 64], [128, 128], [40, 32], [7, 64], [200, 128]] as const)('repackU6() of K %d in blocks of %d equals the reference, and leaves other formats alone', (length, block) => {
  const panels = 3;
  const u4: WeightFormat = { bits: 4, block: 32, scale: 'u8', zero: 'min' };
  const bytes = panels * panelBytes(six(block), length);
  const rows = [{ length, weight: six(block), act, data: 1024, rowScales: 0 }, { length: 64, weight: u4, act, data: 1024 + bytes, rowScales: 0 }];
  expectSame(65536, (memory) => {
    const random = lcg(length);
    writeSegments(memory, 64, rows);
    for (let i = 0; i < bytes + 3 * panelBytes(u4, 64); i++) memory.u8[1024 + i] = random() * 256;
  }, (kernels) => kernels.repackU6(64, 2, 1, 3), [[1024 + bytes / panels, (2 * bytes) / panels]]);
});

it('repackU6() keeps every code where `codeAt` finds it', () => {
  const [length, rows] = [80, 16];
  const random = lcg(7);
  const codes = Uint8Array.from({ length: rows * length }, () => Math.floor(random() * 64));
  const { memory, kernels } = openReference(65536);
  const packed = new Uint8Array(panelBytes(six(64), length));
  packPanels(six(64), { rows, length, codes, scales: new Uint16Array(rows * 2), zeros: new Uint16Array(0) }, packed);
  memory.u8.set(packed, 1024);
  writeSegments(memory, 64, [{ length, weight: six(64), act, data: 1024, rowScales: 0 }]);
  kernels.repackU6(64, 1, 0, 1);
  const header = headerBytes(headerFlags(six(64)));
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < length; k++) {
      const block = 1024 + Math.floor(k / 64) * (header + 16 * 64 * 6 / 8) + header;
      expect(codeAt(memory, 6, block, row, k % 64), `row ${row}, channel ${k}`).toBe(codes[row * length + k]);
    }
  }
});
