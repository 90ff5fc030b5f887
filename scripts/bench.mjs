// Runs bench/NAME.bench.ts. Usage: npm run bench [-- NAME [ARGS]]    NAME: kernels (default), or what bench/README.md lists.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './build.mjs';

const given = process.argv.slice(2);
const [name, ...args] = given[0]?.startsWith('-') === false ? given : ['kernels', ...given];
const all = readdirSync(join(root, 'bench')).filter((file) => file.endsWith('.bench.ts')).map((file) => file.slice(0, -'.bench.ts'.length));
if (!all.includes(name)) {
  process.stderr.write(`Error: unknown bench "${name}": one of ${all.join(', ')} is needed\n`);
  process.exit(2);
}
const { status } = spawnSync(process.execPath, [join('bench', `${name}.bench.ts`), ...args], { cwd: root, stdio: 'inherit' });
process.exit(status ?? 1);
