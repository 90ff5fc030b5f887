// Goes through the runtimes there are, for scripts that run one program in each.
import { findBrowser, runtime } from './runtimes.mjs';

/** Runtimes with files: name, adapter, and what stands before a script in their command lines. */
export const LOCAL = [
  ...['node20', 'node22', 'node24', 'node26'].map((name) => [name, 'node', []]),
  ['deno', 'deno', ['run', '--allow-all']],
  ['bun', 'bun', []],
];

const BROWSERS = ['chromium', 'firefox'];

async function get(name) {
  if (!BROWSERS.includes(name)) return runtime(name);
  if (findBrowser(name) === null) throw new Error(`Cannot find ${name}: it is not on the PATH, ${name.toUpperCase()} can name it`);
  return { name };
}

/** Rows of all that `only` names, in its order; `measures` gives them by name. What cannot be had is named with its reason. Ends the program on an unknown name. */
export async function rowsOf(measures, only = Object.keys(measures).join()) {
  const rows = [];
  for (const name of only.split(',')) {
    if (!(name in measures)) {
      process.stderr.write(`Error: Cannot measure "${name}": needed is one of ${Object.keys(measures).join(', ')}\n`);
      process.exit(2);
    }
    let got;
    try {
      got = await get(name);
    } catch (error) {
      process.stderr.write(`${name} is left out: ${error.message}\n`);
      continue;
    }
    rows.push(...(await measures[name](got)));
  }
  return rows;
}

/** Fails the program, with a reason, unless there are rows and they agree in all of `keys`. */
export function checkEqual(rows, what, ...keys) {
  const differ = keys.some((key) => new Set(rows.flatMap((row) => [key].flat().map((one) => row[one]))).size > 1);
  const wrong = rows.length === 0 ? 'no runtime was measured' : differ ? `${what} differ` : null;
  if (wrong === null) return;
  process.stderr.write(`Error: ${wrong}\n`);
  process.exitCode = 1;
}
