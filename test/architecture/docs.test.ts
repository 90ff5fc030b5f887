import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { importsOf, read, root, sources } from './sources.ts';

interface Example {
  readonly where: string;
  readonly code: string;
}

/** Blocks fenced as exactly `ts`; `ts no-run` and others are for readers only. */
function examplesIn(path: string, text: string): Example[] {
  return [...text.matchAll(/^([ \t]*(?:\* )?)```ts\n([\s\S]*?)^[ \t]*(?:\* )?```$/gm)].map(({ 1: indent, 2: body, index }) => ({
    where: `${path}:${text.slice(0, index).split('\n').length}`,
    code: body!.split('\n').map((line) => (line.startsWith(indent!) ? line.slice(indent!.length) : line.trimStart().replace(/^\*$/, ''))).join('\n'),
  }));
}

/** `tetrad` or `tetrad/x` as the source file behind the package's export. */
function sourceOf(specifier: string): string {
  const { exports } = JSON.parse(read('package.json')) as { exports: Record<string, { default: string } | string> };
  const entry = exports[specifier.replace(/^tetrad/, '.')];
  if (typeof entry !== 'object') throw new Error(`"${specifier}" is no export of the package`);
  return pathToFileURL(join(root, entry.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts'))).href;
}

const documents = [...sources((path) => path === 'README.md'), ...sources((path) => path.endsWith('.md'), 'docs'), ...sources((path) => path.endsWith('.ts'), 'src')];
const examples = documents.flatMap(({ path, text }) => examplesIn(path, text));
const embedded = existsSync(join(root, 'models')) && sources((path) => path.endsWith('/model.json'), 'models').length > 0;

describe('documentation examples', () => {
  it('examplesIn() finds blocks of Markdown and JSDoc', () => {
    expect(examplesIn('a.md', 'x\n```ts\nlet a;\n```\n```ts no-run\nlet b;\n```\n')).toEqual([{ where: 'a.md:2', code: 'let a;\n' }]);
    expect(examplesIn('a.ts', '/**\n * @example\n * ```ts\n * let a;\n *\n * let b;\n * ```\n */')).toEqual([{ where: 'a.ts:3', code: 'let a;\n\nlet b;\n' }]);
  });

  it.for(examples)('$where runs', { timeout: 120_000 }, async ({ where, code }, { skip }) => {
    if (!embedded && /\bload\(/.test(code)) skip('needs the embedded model in models/');
    const folder = join(root, 'build', 'examples');
    const file = join(folder, `${where.replace(/\W/g, '-')}.ts`);
    const packages = [...new Set(importsOf(code).map(({ from }) => from).filter((from) => /^tetrad(\/|$)/.test(from)))];
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, packages.reduce((text, name) => text.replaceAll(new RegExp(`(['"])${name}\\1`, 'g'), `'${sourceOf(name)}'`), code));
    await expect(import(/* @vite-ignore */ pathToFileURL(file).href)).resolves.toBeDefined();
  });
});
