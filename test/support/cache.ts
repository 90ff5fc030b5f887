import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CacheStore, Entry } from '../../src/surfaces/cache/cache.ts';
import { isRemote, parseSourceName, type RemoteName } from '../../src/surfaces/network/source-name.ts';

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export const remote = (text: string): RemoteName => {
  const name = parseSourceName(text);
  if (!isRemote(name)) throw new Error(`${text} is a path`);
  return name;
};

export const scratch = (): string => mkdtempSync(join(tmpdir(), 'tetrad-cache-'));

export async function bytesOf(entry: Entry): Promise<Uint8Array> {
  const source = await entry.open();
  const bytes = new Uint8Array(source.size);
  await source.read(0, bytes);
  await source.close?.();
  return bytes;
}

/** The bytes of an entry, or null. */
export async function cached(store: CacheStore, key: string): Promise<Uint8Array | null> {
  const entry = await store.get(key);
  return entry && bytesOf(entry);
}

/** Endings of the files in a cache's folder, sorted; `part-…` names are cut to `part-`. */
export const endings = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => name.replace(/^[0-9a-f]+\./, '').replace(/-.*/, '-')).sort();
