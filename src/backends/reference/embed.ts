import { PANEL } from '../../formats/descriptor.ts';
import type { LinearMemory } from '../backend.ts';
import { readSegment, weightAt } from './segment.ts';

/** out[from + k] = s * q + m for the channels k of each segment. */
export function embed(memory: LinearMemory, segments: number, count: number, row: number, out: number): void {
  const panel = Math.floor(row / PANEL);
  const lane = row % PANEL;
  for (let i = 0; i < count; i++) {
    const s = readSegment(memory, segments, i);
    for (let k = 0; k < s.length; k++) memory.f32[(out >>> 2) + s.from + k] = weightAt(memory, s, panel, lane, k);
  }
}

export function embedF32(memory: LinearMemory, weights: number, length: number, row: number, out: number): void {
  const first = (weights >>> 2) + Math.floor(row / PANEL) * length * PANEL + (row % PANEL);
  for (let k = 0; k < length; k++) memory.f32[(out >>> 2) + k] = memory.f32[first + k * PANEL]!;
}
