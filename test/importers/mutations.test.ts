import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ByteSource } from '../../src/core/bytes.ts';
import { TetradError } from '../../src/core/errors.ts';
import { openGguf, openSafetensors } from '../../src/importers/open.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import { bytesDirectory, bytesSource } from '../support/bytes.ts';
import { tinyMetadata, tinyTensors, u64, writeGguf } from '../support/gguf.ts';
import { tinyFiles } from '../support/safetensors.ts';

/** Damage to a file: bits flipped, eight bytes replaced by an awkward number, the end cut off. */
interface Damage {
  readonly flips: readonly (readonly [at: number, bit: number])[];
  readonly numbers: readonly (readonly [at: number, value: bigint])[];
  readonly length: number;
}

const AWKWARD = [0n, 1n, 7n, 255n, 2n ** 16n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 40n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n];

/** Most damage falls on the first `header` bytes. */
const damage = (size: number, header: number): fc.Arbitrary<Damage> =>
  fc.record({
    flips: fc.array(fc.tuple(fc.nat(header - 1), fc.nat(7)), { maxLength: 4 }),
    numbers: fc.array(fc.tuple(fc.nat(header - 9), fc.constantFrom(...AWKWARD)), { maxLength: 2 }),
    length: fc.oneof({ weight: 4, arbitrary: fc.constant(size) }, { weight: 1, arbitrary: fc.nat(size) }),
  });

function damaged(bytes: Uint8Array, { flips, numbers, length }: Damage): Uint8Array {
  const copy = bytes.slice();
  for (const [at, bit] of flips) copy[at]! ^= 1 << bit;
  for (const [at, value] of numbers) copy.set(u64(value), at);
  return copy.subarray(0, length);
}

/** Reads everything if the file opens; any other outcome but a TetradError fails. */
async function survives(open: () => Promise<WeightStore>): Promise<boolean> {
  try {
    const store = await open();
    expect(store.config.layers).toBe(1);
    for (const part of ['attn.q', 'attn.k', 'mlp.down']) {
      const tensor = store.tensor(`layers.0.${part}`);
      expect((await tensor.read(0, tensor.rows)).length).toBe(tensor.rows * tensor.cols);
    }
    return true;
  } catch (error) {
    if (!TetradError.is(error)) throw error;
    expect((error as TetradError).message).toMatch(/^Cannot .*[^.]$/s);
    return false;
  }
}

type Open = (bytes: Uint8Array) => readonly [ByteSource & { largest: number }, () => Promise<WeightStore>];

async function outcomes(bytes: Uint8Array, header: number, open: Open): Promise<void> {
  const counts = { opened: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(damage(bytes.length, header), async (change) => {
      const [source, run] = open(damaged(bytes, change));
      counts[(await survives(run)) ? 'opened' : 'refused']++;
      expect(source.largest).toBeLessThanOrEqual(bytes.length);
    }),
    { numRuns: 600, seed: 4 },
  );
  expect(counts.opened).toBeGreaterThan(20);
  expect(counts.refused).toBeGreaterThan(200);
}

describe('a damaged file opens or is a TetradError, and no read exceeds it:', () => {
  const gguf = writeGguf({ metadata: tinyMetadata, tensors: tinyTensors });
  const files = tinyFiles();
  const header = gguf.length - tinyTensors.reduce((sum, { data }) => sum + data.length, 0);

  it('GGUF', async () => {
    await outcomes(gguf, header, (bytes) => {
      const source = bytesSource(bytes);
      return [source, () => openGguf(source)];
    });
  });

  it('safetensors', async () => {
    const file = files['model.safetensors']!;
    const length = Number(new DataView(file.buffer).getBigUint64(0, true));
    await outcomes(file, 8 + length, (bytes) => {
      const source = bytesSource(bytes);
      const dir = bytesDirectory(files);
      return [source, () => openSafetensors({ ...dir, open: async (path) => (path === 'model.safetensors' ? source : dir.open(path)) })];
    });
  });

  it('the JSON files beside safetensors', async () => {
    for (const path of ['config.json', 'tokenizer.json']) {
      const file = files[path]!;
      await fc.assert(
        fc.asyncProperty(damage(file.length, file.length), async (change) => {
          await survives(() => openSafetensors(bytesDirectory({ ...files, [path]: damaged(file, change) })));
        }),
        { numRuns: 300, seed: 4 },
      );
    }
  });
});
