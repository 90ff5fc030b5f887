import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { digestOf } from '../../src/surfaces/adapters/evaluation/digest.ts';

export const root = resolve(import.meta.dirname, '../..');

/** What no figure depends on. */
const APART = ['surfaces/adapters', 'surfaces/charts', 'surfaces/cli', 'generate'].map((folder) => join('src', folder));
/** Recipes are part of the digest of a row. */
export const RECIPES = join('src', 'quantize', 'recipes');

/** Digest of every source that figures depend on, but for some folders. */
export function buildDigest(but: readonly string[] = []): string {
  const apart = [...APART, ...but];
  const files = ['src', 'assembly'].flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((file) => join(folder, String(file)))).sort();
  const counted = files.filter((file) => !apart.some((folder) => file.startsWith(folder)) && statSync(join(root, file)).isFile());
  return digestOf(...counted.flatMap((file) => [Buffer.from(file), readFileSync(join(root, file))])).slice(0, 16);
}
