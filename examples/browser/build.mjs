/**
 * Makes the folder that a static host serves: page, library and model. Usage: npm run example:browser -- [--out DIR] [--no-serve] [--port 8080]
 * Bundles, because a plain page can't resolve the names of packages, and workers take no import maps.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { serveSite } from './serve.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));
const { values } = parseArgs({ allowNegative: true, options: { out: { type: 'string' }, serve: { type: 'boolean', default: true }, port: { type: 'string', default: '8080' } } });
const out = values.out ?? join(root, 'build', 'example-browser');

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
// As in the package, the library finds the threads' program as `web-worker.js` beside itself, and the kernels as `../../wasm/NAME.wasm`.
await build({
  entryPoints: { page: join(here, 'page.js'), worker: join(here, 'worker.js'), 'web-worker': join(root, 'dist', 'surfaces', 'adapters', 'web-worker.js') },
  outdir: join(out, 'js', 'app'), bundle: true, splitting: true, format: 'esm', minify: true, target: 'es2022', conditions: ['browser'], absWorkingDir: root, logLevel: 'warning',
});
for (const file of ['index.html', 'style.css', 'icon.svg', '_headers']) cpSync(join(here, file), join(out, file));
for (const name of ['simd128', 'relaxed']) cpSync(join(root, 'dist', 'wasm', `${name}.wasm`), join(out, 'wasm', `${name}.wasm`));
const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && entry.name !== '_headers').map(({ parentPath, name }) => `./${relative(out, join(parentPath, name))}`);
writeFileSync(join(out, 'service-worker.js'), `self.tetradFiles = ${JSON.stringify(files)};\n${readFileSync(join(here, 'service-worker.js'), 'utf8')}`);
cpSync(join(root, 'models', 'smollm2-135m-instruct'), join(out, 'model'), { recursive: true });
process.stdout.write(`Wrote ${out}\n`);
if (values.serve) {
  const { origin } = await serveSite(out, { port: Number(values.port) });
  process.stdout.write(`Serving ${origin}/\n`);
}
