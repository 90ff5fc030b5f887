import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileDirectory, fileSource } from '../../src/surfaces/adapters/files.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tetrad-files-'));
  await writeFile(join(folder, 'ten'), Uint8Array.from({ length: 10 }, (_, i) => i));
  await mkdir(join(folder, 'sub'));
  await writeFile(join(folder, 'sub', 'one'), new Uint8Array([42]));
});
afterAll(() => rm(folder, { recursive: true }));

describe('fileSource()', () => {
  it('reads ranges', async () => {
    const source = await fileSource(join(folder, 'ten'));
    const target = new Uint8Array(4);
    await source.read(3, target);
    expect([...target, source.size]).toEqual([3, 4, 5, 6, 10]);
    await source.close?.();
  });

  it('rejects a read beyond the end, an aborted read and a closed file', async () => {
    const source = await fileSource(join(folder, 'ten'));
    await expect(source.read(8, new Uint8Array(4))).rejects.toMatchObject({ code: 'invalid_file', message: expect.stringMatching(/ends at byte 10, needed 2 more/) });
    await expect(source.read(0, new Uint8Array(4), AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
    await source.close?.();
    await expect(source.read(0, new Uint8Array(4))).rejects.toMatchObject({ code: 'io_error' });
  });

  it('rejects a missing file with not_found and a directory with io_error', async () => {
    await expect(fileSource(join(folder, 'none'))).rejects.toMatchObject({ code: 'not_found' });
    await expect(fileSource(folder)).rejects.toMatchObject({ code: 'io_error' });
  });
});

describe('fileDirectory()', () => {
  it('opens and finds files, not directories', async () => {
    const dir = fileDirectory(folder);
    const source = await dir.open('sub/one');
    expect([source.size, await dir.has('ten'), await dir.has('sub'), await dir.has('none')]).toEqual([1, true, false, false]);
    await source.close?.();
  });

  it('does not leave its folder', async () => {
    const dir = fileDirectory(join(folder, 'sub'));
    for (const path of ['../ten', 'x/../../ten', join(folder, 'ten')]) {
      expect(await dir.has(path)).toBe(false);
      await expect(dir.open(path)).rejects.toMatchObject({ code: 'not_found' });
    }
  });
});
