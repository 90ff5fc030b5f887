// The package as a bundler makes it: what a page or a worker ships.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { root } from './build.mjs';

/** esbuild's settings for a runtime without Node's modules: `condition` chooses among the package's exports, WebAssembly stays in files of its own. */
export const edgeBuild = (condition) => ({
  bundle: true, minify: true, format: 'esm', platform: 'neutral', mainFields: ['module', 'main'], conditions: [condition], metafile: true,
  loader: { '.wasm': 'copy' }, assetNames: '[name]', absWorkingDir: root, logLevel: 'silent',
});

/** `code` bundled by an export condition; `node`, `deno` and `bun` may use Node's modules. */
export async function bundle(condition, code = "export * from 'tetrad'") {
  const platform = ['node', 'deno', 'bun'].includes(condition) ? 'node' : 'neutral';
  const { outputFiles, metafile: { outputs } } = await build({
    ...edgeBuild(condition), platform, stdin: { contents: code, resolveDir: root }, write: false, splitting: true, outdir: 'build/bundle',
  });
  const entry = Object.keys(outputs).find((path) => outputs[path].entryPoint === '<stdin>');
  const reached = new Set([entry]);
  for (const path of reached) for (const { path: to, kind } of outputs[path].imports) if (kind === 'import-statement' && to.endsWith('.js')) reached.add(to);
  const text = outputFiles.filter(({ path }) => [...reached].some((one) => path.endsWith(one))).map((file) => file.text).join('\n');
  const inputsOf = (paths) => [...paths].flatMap((path) => Object.keys(outputs[path].inputs));
  const later = Object.keys(outputs).filter((path) => path.endsWith('.js') && !reached.has(path));
  return { text, inputs: inputsOf(reached), exports: outputs[entry].exports, later: inputsOf(later) };
}

const zipped = (bytes) => gzipSync(bytes, { level: 9 }).length;

/** Bytes of a bundle's text and of both kernel modules, gzip. */
export function shippedBytes({ text }) {
  const wasm = ['simd128', 'relaxed'].reduce((sum, name) => sum + zipped(readFileSync(join(root, 'dist', 'wasm', `${name}.wasm`))), 0);
  return { script: zipped(Buffer.from(text)), wasm };
}
