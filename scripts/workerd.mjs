// Bundles a worker as its users would and serves it in real workerd, on a free port of the loopback interface.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { edgeBuild } from './bundle.mjs';

const text = JSON.stringify; // Cap'n Proto's strings are quoted as JSON's

const configOf = (files, disks) => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)${Object.entries(disks).map(([name, path]) => `, (name = ${text(name)}, disk = ${text(path)})`).join('')}],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["enable_request_signal"],
  modules = [${files.map((file) => `(name = ${text(file)}, ${file.endsWith('.wasm') ? 'wasm' : 'esModule'} = embed ${text(file)})`).join(', ')}],
  bindings = [${Object.keys(disks).map((name) => `(name = ${text(name)}, service = ${text(name)})`).join(', ')}],
);
`;

/**
 * Serves the module `entry`; `disks` are folders that it finds as services in its environment. `stop` ends it. With `inspect` V8's inspector listens as well.
 */
export async function serveWorker({ binary, entry, disks = {}, inspect = false }) {
  const folder = mkdtempSync(join(tmpdir(), 'tetrad-workerd-'));
  let child;
  let exited;
  const kill = () => child?.kill('SIGKILL'); // a polite one waits for connections, of the inspector's for ever
  const stop = async () => {
    kill();
    process.off('exit', kill);
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const { metafile } = await build({ ...edgeBuild('workerd'), external: ['cloudflare:workers'], entryPoints: { worker: entry }, outdir: folder });
    const files = Object.keys(metafile.outputs).map((path) => path.split('/').pop());
    files.sort((a, b) => Number(b === 'worker.js') - Number(a === 'worker.js')); // the first module is the one that answers
    writeFileSync(join(folder, 'config.capnp'), configOf(files, disks));
    const started = performance.now();
    child = spawn(binary, ['serve', 'config.capnp', '--control-fd=3', ...(inspect ? ['--inspector-addr=127.0.0.1:0'] : [])], { cwd: folder, stdio: ['ignore', 'inherit', 'pipe', 'pipe'] });
    process.once('exit', kill); // whatever ends this process ends workerd
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (chunk) => (said += chunk));
    exited = new Promise((resolve) => child.once('close', resolve).once('error', (error) => resolve(error.message)));
    const needed = ['listen', ...(inspect ? ['listen-inspector'] : [])];
    const [port, inspector] = await Promise.race([listening(child.stdio[3], needed), exited.then((code) => Promise.reject(new Error(`workerd ended with ${code}: ${said}`)))]);
    return { origin: `http://127.0.0.1:${port}`, inspector, pid: child.pid, started, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The ports, of which workerd tells on its control pipe. */
function listening(pipe, needed) {
  return new Promise((resolve) => {
    let heard = '';
    pipe.setEncoding('utf8').on('data', (chunk) => {
      heard += chunk;
      const events = heard.split('\n').slice(0, -1).map((line) => JSON.parse(line));
      const ports = needed.map((name) => events.find(({ event }) => event === name)?.port);
      if (ports.every(Boolean)) resolve(ports);
    });
  });
}
