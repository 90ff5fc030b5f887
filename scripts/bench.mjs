// Runs bench/NAME.bench.ts, or every bench in turn. Usage: npm run bench [-- NAME [ARGS]]
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './build.mjs';

const [name, ...args] = process.argv.slice(2);
const all = readdirSync(join(root, 'bench')).filter((file) => file.endsWith('.bench.ts')).map((file) => file.slice(0, -'.bench.ts'.length));
if (name !== undefined && !all.includes(name)) {
  process.stderr.write(`Error: unknown bench "${name}": one of ${all.join(', ')} is needed\n`);
  process.exit(2);
}
for (const bench of name === undefined ? all : [name]) {
  const { status } = spawnSync(process.execPath, [join('bench', `${bench}.bench.ts`), ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
