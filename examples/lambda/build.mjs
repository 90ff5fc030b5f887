/**
 * Makes the folder that is zipped and uploaded: one script, the kernels and the model. Usage: node examples/lambda/build.mjs [--out DIR]
 * Prints its bytes, of which Lambda takes 250 MB.
 */
import { cpSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));
const { values } = parseArgs({ options: { out: { type: 'string' } } });
const out = values.out ?? join(root, 'build', 'example-lambda');

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
await build({
  entryPoints: [join(here, 'handler.mjs')], outfile: join(out, 'handler.mjs'),
  bundle: true, format: 'esm', platform: 'node', target: 'node20', minify: true, absWorkingDir: root, logLevel: 'warning',
});
// The library finds its kernels by the package's name.
const library = join(out, 'node_modules', 'tetrad');
for (const name of ['simd128', 'relaxed']) cpSync(join(root, 'dist', 'wasm', `${name}.wasm`), join(library, 'wasm', `${name}.wasm`));
writeFileSync(join(library, 'package.json'), '{ "exports": { "./wasm/*": "./wasm/*" } }\n');
cpSync(join(root, 'models', 'smollm2-135m-instruct'), join(out, 'model'), { recursive: true });

const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
process.stdout.write(`Wrote ${out}: ${bytes} bytes in ${files.length} files\n`);
