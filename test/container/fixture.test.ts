import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openContainer } from '../../src/container/read.ts';
import { fileDirectory } from '../../src/surfaces/adapters/files.ts';
import { imageBytes } from '../support/image.ts';
import { valueDigests } from '../support/value-digests.ts';

const folder = fileURLToPath(new URL('../fixtures/container-v1', import.meta.url));

describe('openContainer() on a frozen container of version 1', () => {
  it('reads the values that it held when it was written', async () => {
    const image = await openContainer(fileDirectory(folder));
    const { linears, digests } = JSON.parse(readFileSync(`${folder}.json`, 'utf8'));
    expect(image.manifest.version).toBe(1);
    expect(Object.keys(image.manifest.linears)).toEqual(linears);
    expect(valueDigests(image.manifest, await imageBytes(image))).toEqual(digests);
  });
});
