import { build } from 'esbuild';
const [,, entry, out] = process.argv;
const wasm = { name: 'wasm', setup(b) { b.onResolve({ filter: /\.wasm$/ }, ({ path }) => ({ path: './' + path.split('/').pop(), external: true })); } };
const r = await build({ entryPoints: [entry], outfile: out, bundle: true, format: 'esm', target: 'es2022', conditions: ['workerd'], external: ['cloudflare:*', 'node:*'], plugins: [wasm], minify: true, metafile: true, logLevel: 'warning' });
console.log(Object.values(r.metafile.outputs).map((o) => o.bytes));
