import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EMBEDDED, identify } from '../local-models.ts';
import { modelDigest } from '../../cache/list.ts';
import { fetchModel, localPath } from '../sources.ts';
import { digestOf } from './digest.ts';

const { version } = JSON.parse(await readFile(new URL('../../../../package.json', import.meta.url), 'utf8')) as { version: string };

/**
 * Tells one model and one version of this library from another without reading weights: a container by its manifest, which has their digests, a checkpoint by
 * names, sizes and times of its files, a remote model by the digests of its files.
 */
export async function modelIdentity(source: string | null): Promise<string> {
  const local = source === null ? EMBEDDED : localPath(source);
  if (local === null) return digestOf(version, await modelDigest(await fetchModel(source!, {})));
  const { kind, path } = await identify(local);
  if (kind === 'container') return digestOf(version, await readFile(join(path, 'model.json')));
  const files = kind === 'gguf' ? [path] : (await readdir(path)).sort().map((name) => join(path, name));
  const facts = await Promise.all(files.map(async (file) => {
    const { size, mtimeMs } = await stat(file);
    return [file, size, mtimeMs];
  }));
  return digestOf(version, facts);
}
