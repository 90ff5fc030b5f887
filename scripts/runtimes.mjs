// Pinned runtimes for tests, from npm's platform packages into .cache/runtimes/NAME-VERSION/ when they are first needed. Runs on bare Node 20.
// Usage: node scripts/runtimes.mjs [NAME ...]    Puts the named ones there (default: all) and prints where; exits with 1 where one cannot be had.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './build.mjs';

const { platform, arch } = process;
const exe = platform === 'win32' ? '.exe' : '';
const LONGEST_MS = 5 * 60_000;
/** Without a network, npm's own patience is a minute for each package. */
const QUIETLY = [
  '--no-save', '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=1', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=1000',
];

const nodePackage = `${platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node'}-${platform === 'win32' ? 'win' : platform}-${arch}`;
const denoPackage = `@deno/${platform}-${arch}${platform === 'linux' ? '-glibc' : ''}`;
const workerdPackage = `@cloudflare/workerd-${platform === 'win32' ? 'windows' : platform}-${arch === 'x64' ? '64' : arch}`;

/** Bun's usual build needs AVX2, which is only known on Linux. */
function bunPackage() {
  const avx2 = platform === 'linux' && arch === 'x64' && /\bavx2\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
  const build = arch === 'arm64' ? 'aarch64' : avx2 ? arch : `${arch}-baseline`;
  return `@oven/bun-${platform === 'win32' ? 'windows' : platform}-${build}`;
}

const node = (version) => ({ version, from: () => nodePackage, file: platform === 'win32' ? 'bin/node.exe' : 'bin/node' });

/** What there is: a version, the package for this platform, and the binary in it. */
const pinned = {
  node20: node('20.20.2'),
  node22: node('22.23.3'),
  node24: node('24.21.0'),
  node26: node('26.10.0'),
  deno: { version: '2.9.6', from: () => denoPackage, file: `deno${exe}` },
  bun: { version: '1.4.5', from: bunPackage, file: `bin/bun${exe}` },
  workerd: { version: '1.20261117.1', from: () => workerdPackage, file: `bin/workerd${exe}` },
  playwright: { version: '1.65.1', from: () => 'playwright-core', file: 'index.mjs' }, // drives the browsers below
  openai: { version: '7.57.0', from: () => 'openai', file: 'index.mjs' }, // the client that the HTTP interface is for
  ric: { version: '4.0.2', from: () => 'aws-lambda-ric', file: 'rapid-client.node', compiled: true }, // what calls handlers in AWS Lambda; Linux with cmake, make and g++
  axe: { version: '4.14.1', from: () => 'axe-core', file: 'axe.min.js' }, // finds what keeps people from using a page
};

export const runtimeNames = Object.keys(pinned);

/** Where Node's headers are, so that a package that compiles against them does not download them. */
const headers = [join(process.execPath, '..', '..'), '/usr', '/usr/local'].find((folder) => existsSync(join(folder, 'include', 'node', 'node_api.h')));
const env = headers ? { ...process.env, npm_config_nodedir: headers } : process.env;

/** Runs npm, and throws its last line if it fails. */
function npm(args, cwd, timeout) {
  return new Promise((resolve, reject) => {
    const child = spawn('npm', args, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'], shell: platform === 'win32', timeout });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(signal ? `npm took more than ${timeout / 1000} s` : said.split('\n').find((line) => line.trim() !== '') ?? `npm ended with ${code}`));
    });
  });
}

const found = (name) => {
  const { version, file } = pinned[name];
  const folder = join(root, '.cache', 'runtimes', `${name}-${version}`);
  return { name, version, folder, binary: join(folder, file) };
};

/** Puts the package into a folder of its own and renames that: a second process at the same time finds it whole or makes it itself. */
async function install({ name, folder, binary }, timeout) {
  const { version, from, file, compiled } = pinned[name];
  const parent = join(root, '.cache', 'runtimes');
  mkdirSync(parent, { recursive: true });
  const stage = mkdtempSync(join(parent, '.stage-'));
  try {
    await npm(['install', '--prefix', stage, ...QUIETLY, ...(compiled ? [] : ['--ignore-scripts']), `${from()}@${version}`], stage, timeout);
    const got = join(stage, 'node_modules', from());
    if (!existsSync(join(got, file))) throw new Error(`${from()} brought no ${file}`);
    renameSync(got, folder);
  } catch (error) {
    if (!existsSync(binary)) throw new Error(`Cannot get ${name} ${version}: ${error.message}`, { cause: error });
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

const started = new Map();

/** `{ name, version, binary }` of a pinned runtime, put into .cache/ if it is not there. Rejects with the reason why it cannot be had. */
export async function runtime(name, { timeout = LONGEST_MS } = {}) {
  const place = found(name);
  if (!existsSync(place.binary)) {
    if (!started.has(name)) started.set(name, install(place, timeout));
    await started.get(name);
  }
  return { name, version: place.version, binary: place.binary };
}

/** The same if it is there already, or else null. */
export function runtimeHere(name) {
  const { version, binary } = found(name);
  return existsSync(binary) ? { name, version, binary } : null;
}

const browsers = {
  chromium: { variable: 'CHROMIUM', names: ['chromium', 'chromium-browser', 'google-chrome'] },
  firefox: { variable: 'FIREFOX', names: ['firefox-esr', 'firefox'] },
};

/** A browser that a variable names, or else the first one on the PATH; null if there is none. */
export function findBrowser(name) {
  const { variable, names } = browsers[name];
  if (process.env[variable]) return process.env[variable];
  const folders = (process.env.PATH ?? '').split(delimiter);
  return names.flatMap((file) => folders.map((folder) => join(folder, file + exe))).find((path) => existsSync(path)) ?? null;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const names = process.argv.slice(2);
  const unknown = names.find((name) => !(name in pinned));
  if (unknown) throw new Error(`Cannot get ${unknown}: needed is one of ${runtimeNames.join(', ')}`);
  for (const name of names.length > 0 ? names : runtimeNames) {
    try {
      console.log((await runtime(name)).binary);
    } catch (error) {
      console.error(`Error: ${error.message}`);
      process.exitCode = 1;
    }
  }
}
