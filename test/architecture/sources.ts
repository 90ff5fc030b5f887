import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');

export interface Source {
  /** Relative to the root, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** Folders that git ignores, and git's own. */
const skipped = new Set(['.git', ...read('.gitignore').split('\n').filter((line) => line.endsWith('/')).map((line) => line.slice(0, -1))]);

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** Text files under `folders` (of the project if none is given) whose name passes `accept`. */
export function sources(accept: (path: string) => boolean, ...folders: readonly string[]): Source[] {
  return (folders.length === 0 ? [''] : folders).flatMap((folder) => walk(join(root, folder)))
    .map((full) => relative(root, full).replaceAll('\\', '/'))
    .filter(accept)
    .map((path) => ({ path, text: read(path) }))
    .filter(({ text }) => !text.includes('\0'));
}

function walk(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => !skipped.has(name)).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? walk(path) : [path];
  });
}

export const isCode = (path: string): boolean => /\.(ts|mjs)$/.test(path);

const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;

/** Code without comments; string contents are kept. */
export function withoutComments(text: string): string {
  return text.replace(token, (match) => (match.startsWith('/') ? blank(match) : match));
}

/** Code without comments and without the contents of strings; line numbers stay. */
export function codeOnly(text: string): string {
  return text.replace(token, (match) => (match.startsWith('/') ? blank(match) : `''${blank(match)}`));
}

const blank = (text: string): string => text.replace(/[^\n]/g, '');

export interface Import {
  readonly from: string;
  readonly typeOnly: boolean;
}

/** Static and dynamic imports and re-exports with a literal specifier. */
export function importsOf(text: string): Import[] {
  const pattern = /\b(?:import|export)\s+(type\s+)?(?:[\w$*\s{},]+?\s+from\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g;
  return [...withoutComments(text).matchAll(pattern)].map(([, type, from, dynamic]) => ({ from: from ?? dynamic!, typeOnly: type !== undefined }));
}

/** `path:line: what` of every match, for readable failures. */
export function matches(source: Source, text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => `${source.path}:${text.slice(0, match.index).split('\n').length}: ${match[0].trim()}`);
}
