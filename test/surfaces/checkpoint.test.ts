import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openLocal } from '../../src/surfaces/adapters/local-models.ts';
import { opener } from '../../src/surfaces/adapters/node.ts';
import { openCheckpoint } from '../../src/surfaces/checkpoint.ts';
import type { ModelImage } from '../../src/models/image.ts';
import { bytesSource } from '../support/bytes.ts';
import { tinyMetadata, tinyTensors, writeGguf } from '../support/gguf.ts';

const gguf = writeGguf({ metadata: tinyMetadata, tensors: tinyTensors });
const folder = mkdtempSync(join(tmpdir(), 'tetrad-checkpoint-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function bytesOf(image: ModelImage): Promise<Uint8Array> {
  const whole = new Uint8Array(image.manifest.bytes);
  for await (const { offset, bytes, fill } of image.pieces()) await fill(whole.subarray(offset, offset + bytes));
  await image.close();
  return whole;
}

describe('openCheckpoint()', async () => {
  const open = await opener();
  const platform = { open, threads: 1, host: null, now: () => 0 };

  it.each(['w4a8', 'f32'])('packs by %s to the bytes that the same file gives from disk', async (recipe) => {
    const path = join(folder, 'tiny.gguf');
    writeFileSync(path, gguf);
    const [here, there] = await Promise.all([openCheckpoint(bytesSource(gguf, path), { recipe }, platform), openLocal(path, { recipe, open })]);
    expect(here.manifest).toEqual(there.manifest);
    expect(await bytesOf(here)).toEqual(await bytesOf(there));
  });

  it('refuses to calibrate without a text, and closes the source', async () => {
    const source = bytesSource(gguf, 'tiny.gguf');
    await expect(openCheckpoint(source, { recipe: 'gptq' }, platform)).rejects.toMatchObject({ code: 'invalid_argument', message: /needed is one in `calibration`/ });
    expect(source.closed).toBe(true);
  });
});
