import { silu } from '../../core/numeric.ts';
import { padded } from '../../formats/layout.ts';
import type { LinearMemory } from '../backend.ts';
import { quantiseRow } from './quantise-row.ts';

const f = Math.fround;

/** Arguments that every producer ends with. */
type Sink = readonly [
  index: number, values: number, valuesStride: number,
  segments: number, count: number, codes: number, codesStride: number, scales: number, sums: number, blocksStride: number,
];

/** The common walk: values[t, i] = valueOf(channel gathered at i), zero padding, quantise. */
function produce(memory: LinearMemory, tokens: number, length: number, sink: Sink, valueOf: (t: number) => (channel: number, i: number) => number): void {
  const [index, values, valuesStride, segments, count, codes, codesStride, scales, sums, blocksStride] = sink;
  for (let t = 0; t < tokens; t++) {
    const row = (values >>> 2) + t * valuesStride;
    const at = valueOf(t);
    for (let i = 0; i < length; i++) memory.f32[row + i] = at(index ? memory.i32[(index >>> 2) + i]! : i, i);
    memory.f32.fill(0, row + length, row + padded(length));
    const target = { codes: codes + t * codesStride, scales: scales + t * blocksStride * 4, sums: sums + t * blocksStride * 4 };
    quantiseRow(memory, row * 4, segments, count, target);
  }
}

/** Mean square: four lane sums over c mod 4, then (lane 0 + lane 1) + (lane 2 + lane 3); 1 / sqrt(mean + eps) by two rounded operations. */
export function rmsnormQuant(
  memory: LinearMemory, x: number, xStride: number, tokens: number, length: number, gamma: number, eps: number, ...sink: Sink
): void {
  const { f32 } = memory;
  produce(memory, tokens, length, sink, (t) => {
    const row = (x >>> 2) + t * xStride;
    const lanes: [number, number, number, number] = [0, 0, 0, 0];
    for (let c = 0; c < length; c++) lanes[c & 3] = f(lanes[c & 3]! + f(f32[row + c]! * f32[row + c]!));
    const mean = f(f(f(lanes[0] + lanes[1]) + f(lanes[2] + lanes[3])) / length);
    const scale = f(1 / f(Math.sqrt(f(mean + f(eps)))));
    return (channel, i) => f(f(f32[row + channel]! * scale) * f32[(gamma >>> 2) + i]!);
  });
}

export function siluMulQuant(memory: LinearMemory, x: number, xStride: number, tokens: number, length: number, ...sink: Sink): void {
  const { f32 } = memory;
  produce(memory, tokens, length, sink, (t) => {
    const gate = (x >>> 2) + t * xStride;
    return (channel) => f(silu(f32[gate + channel]!) * f32[gate + length + channel]!);
  });
}

export function gatherQuant(memory: LinearMemory, x: number, xStride: number, tokens: number, length: number, ...sink: Sink): void {
  produce(memory, tokens, length, sink, (t) => {
    const row = (x >>> 2) + t * xStride;
    return (channel) => memory.f32[row + channel]!;
  });
}
