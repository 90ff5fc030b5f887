import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import type { OpenBackend } from '../../src/backends/backend.ts';
import { openReference } from '../../src/backends/reference/index.ts';
import { openContainer } from '../../src/container/read.ts';
import { f32ToF16 } from '../../src/core/numeric.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { isGrid } from '../../src/formats/number-format.ts';
import type { SegmentCodes } from '../../src/formats/pack.ts';
import { unpackPanels } from '../../src/formats/unpack.ts';
import type { Manifest, Segment } from '../../src/models/image.ts';
import { createDecoder } from '../../src/runtime/decoder.ts';
import { fileDirectory } from '../../src/surfaces/adapters/files.ts';
import { imageBytes, intsAt, segmentValues } from '../support/image.ts';
import { allLogits, largestDifference } from '../support/logits.ts';
import { openSimd128, packCase, type OracleCase } from '../support/recipe-cases.ts';
import { readF32, readJson } from '../support/tiny.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/recipes/${name}`, import.meta.url));

interface Packed {
  readonly manifest: Manifest;
  readonly bytes: Uint8Array;
}

async function pack(oracle: OracleCase): Promise<Packed> {
  const image = await packCase(oracle);
  const bytes = await imageBytes(image);
  await image.close();
  return { manifest: image.manifest, bytes };
}

async function logitsOf({ manifest, bytes }: Packed, backend: OpenBackend, ids: readonly number[]): Promise<Float32Array> {
  const image = { manifest, pieces: () => [{ offset: 0, bytes: bytes.length, fill: async (target: Uint8Array) => target.set(bytes) }], close: async () => {} };
  await using decoder = await createDecoder(image, backend, { context: ids.length, kv: manifest.kv, logitRows: PAGE });
  return allLogits(decoder, ids);
}

function codesOf({ bytes }: Packed, rows: number, { k, weight, data }: Segment): SegmentCodes | null {
  return isGrid(weight) ? unpackPanels(weight, rows, k[1] - k[0], bytes.slice(data.offset, data.offset + data.bytes)) : null;
}

/** SHA-256 of the codes, the rows' bf16 scales or steps, the blocks' scales and zeros; of weights that are numbers, of their f16s. */
function digestOf(packed: Packed, rows: number, segment: Segment): string {
  const stored = codesOf(packed, rows, segment);
  const steps = segment.rowScales ? Uint16Array.from(intsAt(packed.bytes, segment.rowScales).subarray(0, rows)) : new Uint16Array();
  const parts = stored ? [stored.codes, steps, stored.scales, stored.zeros] : [Uint16Array.from(segmentValues(packed.bytes, rows, segment), f32ToF16)];
  return parts.reduce((hash, part) => hash.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength)), createHash('sha256')).digest('hex');
}
/** A linear's segments as the oracle lists them. */
const listed = (packed: Packed, { rows, segments }: Manifest['linears'][string]) => segments.map((segment) => {
  const length = segment.k[1] - segment.k[0];
  const codes = codesOf(packed, rows, segment)?.codes.subarray((rows - 1) * length);
  return { k: segment.k, sha256: digestOf(packed, rows, segment), codes: Array.from(codes?.subarray(0, 12) ?? []) };
});

/**
 * How far f32 kernels may be from the f64 fake quantisation: PyTorch's own f32 logits are `spread` away, and no rounding to codes lies so near to a border
 * that f32 decides it otherwise (`margins`). Measured are 1.3 spreads, but 12 where activations are asymmetric: the error of a centre is that of the block's
 * largest magnitude, and moves all its channels alike.
 */
const bound = ({ spread }: { readonly spread: number }): number => 16 * spread;

async function expectLogits(packed: Packed, name: string, oracle: { readonly ids: readonly number[]; readonly spread: number }): Promise<void> {
  const [scalar, wasm] = [await logitsOf(packed, openReference, oracle.ids), await logitsOf(packed, openSimd128, oracle.ids)];
  expect(Buffer.compare(new Uint8Array(scalar.buffer), new Uint8Array(wasm.buffer))).toBe(0);
  expect(largestDifference(wasm, readF32(fixture(`${name}.f32`)))).toBeLessThan(bound(oracle));
}

const CASES = ['smoothquant', 'llm-int8', 'zeroquant', 'quarot', 'atom', 'qoq', 'quik', 'dgq', 'rptq', 'gptq'];

describe.each(CASES)('%s', (name) => {
  const oracle = readJson<OracleCase>(fixture(`${name}.json`));
  let packed: Packed;
  beforeAll(async () => {
    packed = await pack(oracle);
  });

  test('quantize() stores every code, scale and zero that PyTorch finds', () => {
    const { output: _, ...linears } = packed.manifest.linears;
    expect(Object.fromEntries(Object.entries(linears).map(([key, linear]) => [key, listed(packed, linear)]))).toEqual(oracle.linears);
  });

  test('the decoder gives the logits of the fake quantisation, with the same bytes on the reference and on wasm', () => expectLogits(packed, name, oracle));

  test('the bound is a thousandth of what quantising does', () => expect(bound(oracle)).toBeLessThan(oracle.effect / 1000));
});

test('a frozen container with branches, static constants and 3-bit grids gives the logits of an independent reader', async () => {
  const image = await openContainer(fileDirectory(fixture('branches')));
  await expectLogits({ manifest: image.manifest, bytes: await imageBytes(image) }, 'branches', readJson(fixture('branches.json')));
  await image.close();
});
