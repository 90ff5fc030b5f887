import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import type { OpenBackend } from '../../src/backends/backend.ts';
import { openReference } from '../../src/backends/reference/index.ts';
import { f32ToF16 } from '../../src/core/numeric.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { isGrid } from '../../src/formats/number-format.ts';
import type { SegmentCodes } from '../../src/formats/pack.ts';
import { unpackPanels } from '../../src/formats/unpack.ts';
import type { Manifest, Segment } from '../../src/models/image.ts';
import { createDecoder } from '../../src/runtime/decoder.ts';
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

const CASES = ['smoothquant', 'llm-int8', 'zeroquant', 'quarot', 'atom', 'qoq', 'quik', 'dgq', 'rptq', 'gptq'];

describe.each(CASES)('%s', (name) => {
  const oracle = readJson<OracleCase>(fixture(`${name}.json`));
  let packed: Packed;
  beforeAll(async () => {
    packed = await pack(oracle);
  });

  test('quantize() stores the codes, scales and zeros that PyTorch finds', () => {
    const own = Object.fromEntries(Object.entries(packed.manifest.linears).filter(([key]) => key !== 'output').map(([key, { rows, segments }]) => [key, segments.map((segment) => ({
      k: segment.k,
      codes: Array.from(codesOf(packed, rows, segment)?.codes.slice((rows - 1) * (segment.k[1] - segment.k[0])).slice(0, 12) ?? []),
      sha256: digestOf(packed, rows, segment),
    }))]));
    const theirs = Object.fromEntries(Object.entries(oracle.linears).map(([key, segments]) => [key, segments.map(({ k, codes, sha256 }) => ({ k, codes, sha256 }))]));
    expect(own).toEqual(theirs);
  });

  test('the decoder gives the logits of the fake quantisation, with the same bytes on the reference and on wasm', async () => {
    const [scalar, wasm] = [await logitsOf(packed, openReference, oracle.ids), await logitsOf(packed, openSimd128, oracle.ids)];
    expect(Buffer.compare(new Uint8Array(scalar.buffer), new Uint8Array(wasm.buffer))).toBe(0);
    console.log(name, largestDifference(wasm, readF32(fixture(`${name}.f32`))) / oracle.spread);
    expect(largestDifference(wasm, readF32(fixture(`${name}.f32`)))).toBeLessThan(16 * oracle.spread);
  });
});
