import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openContainer } from '../../src/container/read.ts';
import { writeContainer } from '../../src/container/write.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { directorySink } from '../../src/surfaces/adapters/directory-sink.ts';
import { fileDirectory } from '../../src/surfaces/adapters/files.ts';
import { imageBytes } from '../support/image.ts';
import { tinyStore } from '../support/tiny-model.ts';

let folder: string;
beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'tetrad-sink-')); });
afterEach(() => rm(folder, { recursive: true, force: true }));

const image = (name = 'w4a8') => quantize(tinyStore({ config: { layers: 1 } }), recipe(name));

describe('directorySink()', () => {
  it('writes a container that opens again, and replaces it', async () => {
    const target = join(folder, 'model');
    for (const name of ['w4a8', 'f32']) {
      await writeContainer(image(name), await directorySink(target));
      expect(await readdir(folder)).toEqual(['model']);
      expect((await readdir(target)).toSorted()).toEqual(['00.bin', 'model.json']);
      const opened = await openContainer(fileDirectory(target));
      expect(Buffer.compare(await imageBytes(opened), await imageBytes(image(name)))).toBe(0);
    }
  });

  it('refuses a folder with other files, a file, and a place that does not exist', async () => {
    await mkdir(join(folder, 'photos'));
    await writeFile(join(folder, 'photos', 'cat.jpg'), 'x');
    await expect(directorySink(join(folder, 'photos'))).rejects.toMatchObject({ code: 'io_error', message: expect.stringContaining('it holds "cat.jpg", needed is') });
    await expect(directorySink(join(folder, 'photos', 'cat.jpg'))).rejects.toMatchObject({ code: 'io_error', message: expect.stringContaining('it is a file') });
    await expect(directorySink(join(folder, 'none', 'model'))).rejects.toMatchObject({ code: 'io_error', message: expect.stringContaining('ENOENT') });
    expect(await readdir(folder)).toEqual(['photos']);
    expect(await readFile(join(folder, 'photos', 'cat.jpg'), 'utf8')).toBe('x');
  });

  it('leaves nothing behind after an abort, and the old container as it was', async () => {
    const target = join(folder, 'model');
    await writeContainer(image(), await directorySink(target));
    const before = await readFile(join(target, 'model.json'));
    const controller = new AbortController();
    const sink = await directorySink(target);
    expect(await readdir(folder)).toHaveLength(2);
    await expect(writeContainer(image('f32'), sink, { signal: controller.signal, onProgress: () => controller.abort() })).rejects.toThrow(/abort/i);
    expect(await readdir(folder)).toEqual(['model']);
    expect(await readFile(join(target, 'model.json'))).toEqual(before);
  });
});
