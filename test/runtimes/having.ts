import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findBrowser, runtime, type Runtime, type RuntimeName } from '../../scripts/runtimes.mjs';

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');
export const embedded = `${root}/models/smollm2-135m-instruct`;
export const tiny = `${root}/test/fixtures/container-v1`;

const LONGEST_INSTALL_MS = 120_000;

/** The runtime, or null with its reason printed. */
export async function having(name: RuntimeName): Promise<Runtime | null> {
  try {
    return await runtime(name, { timeout: LONGEST_INSTALL_MS });
  } catch (error) {
    process.stdout.write(`${name} is not tested: ${String(error)}\n`);
    return null;
  }
}

/** The same for a browser. */
export function havingBrowser(name: 'chromium' | 'firefox'): boolean {
  if (findBrowser(name) !== null) return true;
  process.stdout.write(`${name} is not tested: there is none on the PATH, and ${name.toUpperCase()} names none\n`);
  return false;
}

/** Runtimes with files, the adapter of each, and what stands before a script in their command lines. */
export const LOCAL = [
  { name: 'node20', adapter: 'node', args: ['--expose-gc'] },
  { name: 'node26', adapter: 'node', args: ['--expose-gc'] },
  { name: 'deno', adapter: 'deno', args: ['run', '--allow-all', '--v8-flags=--expose-gc'] },
  { name: 'bun', adapter: 'bun', args: [] },
] as const satisfies readonly { readonly name: RuntimeName; readonly adapter: string; readonly args: readonly string[] }[];

/** What a script prints as JSON. */
export async function printed<T>(binary: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<T> {
  const { NODE_OPTIONS: _, ...inherited } = process.env;
  const { stdout } = await promisify(execFile)(binary, [...args], { cwd: root, env: { ...inherited, ...env }, maxBuffer: 1 << 24 });
  return JSON.parse(stdout) as T;
}
