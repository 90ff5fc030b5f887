// What each recipe costs: perplexity and KL divergence against f32 on WikiText-2, all recipes on the same windows.
// Usage: npm run fidelity -- [--windows 20] [--context 2048] [--candidates "f32:4 w4a8:4,weight.block=64"] [--model FILE.gguf] [--workers 2] [--out FILE]
// Finished windows are kept in FILE (JSON lines); a second run with the same sources goes on from there. Prints a Markdown table.
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { summarise } from '../src/evaluate/divergence.ts';
import { mean, perplexityOf } from '../src/evaluate/windows.ts';
import { openGguf } from '../src/importers/open.ts';
import { fileSource } from '../src/surfaces/adapters/files.ts';
import { Tokenizer } from '../src/tokenizer/tokenizer.ts';
import { referenceGguf, sharedFile } from '../test/support/shared.ts';
import { BASE, parseCandidate } from './fidelity/candidates.ts';
import { decodeFigures, Results, type RunKey } from './fidelity/records.ts';
import type { Job, JobRecord } from './fidelity/worker.ts';

/** sha256 of the ids of wikitext-2-test.txt as little-endian u16, from the goldens. */
const GOLDEN_IDS = '5b2c8b5d2fe6b2b055318fba37002ec08f834d6897b88f0fded2576e8b02292a';
const root = resolve(import.meta.dirname, '..');
const { values: flags } = parseArgs({
  options: {
    windows: { type: 'string', default: '20' },
    context: { type: 'string', default: '2048' },
    workers: { type: 'string', default: '2' },
    candidates: { type: 'string', default: 'f32:4 w8a8:4 keep:8 keep:4 w4a8:32 w4a8:4 w4ax:4 w4a4:4' },
    model: { type: 'string', default: referenceGguf() ?? '' },
    text: { type: 'string', default: sharedFile('data/wikitext-2-test.txt') ?? '' },
    out: { type: 'string', default: join(root, 'build', 'fidelity.jsonl') },
  },
});
const candidates = flags.candidates.split(/\s+/).filter(Boolean);
candidates.forEach(parseCandidate);
const context = Number(flags.context);
if (!flags.model || !flags.text) throw new Error('a model and a text are needed: set TETRAD_REF_GGUF and TETRAD_SHARED, or give --model and --text');

const digest = (...parts: readonly Uint8Array[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

/** Every source that the figures depend on. */
function buildDigest(): string {
  const files = ['src', 'assembly'].flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((file) => join(folder, String(file)))).sort();
  const counted = files.filter((file) => !file.startsWith(join('src', 'surfaces')) && statSync(join(root, file)).isFile());
  return digest(...counted.flatMap((file) => [Buffer.from(file), readFileSync(join(root, file))])).slice(0, 16);
}

async function tokenise(): Promise<number[]> {
  const store = await openGguf(await fileSource(flags.model));
  try {
    return new Tokenizer(store.tokenizer).encode(readFileSync(flags.text, 'utf8'));
  } finally {
    await store.close();
  }
}

const key: RunKey = { build: buildDigest(), model: basename(flags.model), context };
const results = new Results(flags.out, key);
const ids = await tokenise();
const windows = Math.min(Number(flags.windows), Math.floor(ids.length / context));

/** One process that takes job after job. Rejects if it dies. */
function work(queue: Job[]): Promise<void> {
  return new Promise((done, failed) => {
    const child = fork(join(import.meta.dirname, 'fidelity', 'worker.ts'), { stdio: 'inherit' });
    const next = (): void => {
      const job = queue.shift();
      if (job) child.send(job);
      else child.disconnect();
    };
    child.on('message', (records: JobRecord[]) => {
      for (const record of records) results.add({ ...key, ...record });
      process.stderr.write(`window ${records[0]!.window}: ${records.map(({ candidate }) => candidate).join(' ')}\n`);
      next();
    });
    child.on('exit', (code) => (code === 0 ? done() : failed(new Error(`a worker ended with code ${code}`))));
    next();
  });
}

const queue: Job[] = [];
for (let window = 0; window < windows; window++) {
  const missing = candidates.filter((candidate) => !results.get(window, candidate));
  if (missing.length === 0 && results.get(window, BASE)) continue;
  queue.push({ gguf: flags.model, window, tokens: ids.slice(window * context, (window + 1) * context), candidates: missing });
}
await Promise.all(Array.from({ length: Math.min(Number(flags.workers), queue.length) }, () => work(queue)));

const all = Array.from({ length: windows }, (_, window) => window);
const figures = (candidate: string) => all.map((window) => decodeFigures(results.get(window, candidate)!));
const baseNll = figures(BASE).map(({ nll }) => nll);
const mebibytes = (candidate: string): string => (results.get(0, candidate)!.bytes / 2 ** 20).toFixed(1);
const kvOf = (candidate: string): number => parseCandidate(candidate).kv.bits;
const nameOf = (candidate: string): string => candidate.replace(/:\d+/, '');
const rows = candidates.map((candidate) => {
  const d = summarise(baseNll, figures(candidate));
  const cells = [nameOf(candidate), kvOf(candidate), d.perplexity.toFixed(3), d.ratio.toFixed(4), d.meanKl.toFixed(5), d.medianKl.toFixed(5), d.kl999.toFixed(3)];
  return [...cells, `${(d.sameTop * 100).toFixed(2)} %`, `${(d.rmsChange * 100).toFixed(2)} %`, mebibytes(candidate)];
});
rows.unshift(['f32', 32, perplexityOf(baseNll.map(mean)).toFixed(3), '1', '0', '0', '0', '100 %', '0 %', mebibytes(BASE)]);
process.stdout.write(`${key.model}, ${windows} windows of ${context} tokens, build ${key.build}, Node ${process.version}\n\n`);
process.stdout.write('| recipe | KV bits | perplexity | ratio | mean KL | median KL | 99.9 % KL | same top-1 | RMS Δp | MiB |\n|---|---|---|---|---|---|---|---|---|---|\n');
for (const row of rows) process.stdout.write(`| ${row.join(' | ')} |\n`);

const goldens = sharedFile('goldens/ref-goldens.json');
if (goldens && context === 2048 && basename(flags.text) === 'wikitext-2-test.txt' && key.model.startsWith('SmolLM2-135M-Instruct.Q4_1')) {
  const published = (JSON.parse(readFileSync(goldens, 'utf8')) as { ppl: Record<string, { window_nll: number[] }> }).ppl['wiki@2048']!.window_nll;
  const worst = Math.max(...baseNll.map((nll, window) => Math.abs(mean(nll) - published[window]!)));
  const sum = digest(new Uint8Array(Uint16Array.from(ids).buffer));
  process.stdout.write(`\nToken ids: ${ids.length}, sha256 ${sum}. Largest difference of a window's f32 cross entropy from PyTorch's: ${worst.toExponential(1)}.\n`);
  if (worst > 1e-4 || sum !== GOLDEN_IDS) throw new Error('token ids or f32 figures differ from the goldens: the table above is not to be trusted');
}
