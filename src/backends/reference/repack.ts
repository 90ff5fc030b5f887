import { PANEL } from '../../formats/descriptor.ts';
import { headerBytes } from '../../formats/layout.ts';
import type { LinearMemory } from '../backend.ts';
import { blockAddress, readSegment } from './segment.ts';

/** Brings one vector group of u6, as `formats/layout.ts` draws it, to the form of linear memory. */
function repackGroup(u8: Uint8Array, at: number): void {
  for (let byte = at; byte < at + 16; byte++) {
    const [low, high, top] = [u8[byte]!, u8[byte + 16]!, u8[byte + 32]!];
    const code = (nibble: number, i: number): number => (nibble & 15) | (((top >>> (2 * i)) & 3) << 4);
    const last = code(high >>> 4, 3);
    u8[byte] = code(low, 0) | ((last & 3) << 6);
    u8[byte + 16] = code(low >>> 4, 1) | (((last >>> 2) & 3) << 6);
    u8[byte + 32] = code(high, 2) | ((last >>> 4) << 6);
  }
}

/** All u6 segments of a table, panels [firstPanel, lastPanel), in place: once, when their bytes have been loaded. */
export function repackU6(memory: LinearMemory, segments: number, count: number, firstPanel: number, lastPanel: number): void {
  for (let i = 0; i < count; i++) {
    const s = readSegment(memory, segments, i);
    if (s.weightBits !== 6) continue;
    for (let panel = firstPanel; panel < lastPanel; panel++) {
      for (let k = 0; k < s.length; k += 16) {
        const codes = blockAddress(s, panel, Math.floor(k / s.weightBlock)) + headerBytes(s.header) + ((k % s.weightBlock) / 16) * 12 * PANEL;
        for (let quad = 0; quad < 4; quad++) repackGroup(memory.u8, codes + quad * 48);
      }
    }
  }
}
