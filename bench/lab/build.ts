import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { digestOf } from '../../src/surfaces/adapters/evaluation/digest.ts';

export const root = resolve(import.meta.dirname, '../..');

/** What no figure depends on: the surfaces, and recipes, which are part of each row's own digest. */
const APART = [join('src', 'surfaces'), join('src', 'generate'), join('src', 'quantize', 'recipes')];

/** Digest of every source that figures depend on. */
export function buildDigest(): string {
  const files = ['src', 'assembly'].flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((file) => join(folder, String(file)))).sort();
  const counted = files.filter((file) => !APART.some((folder) => file.startsWith(folder)) && statSync(join(root, file)).isFile());
  return digestOf(...counted.flatMap((file) => [Buffer.from(file), readFileSync(join(root, file))])).slice(0, 16);
}
