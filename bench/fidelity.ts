// What each recipe costs: perplexity and KL divergence against f32 on WikiText-2, all recipes on the same windows.
// Usage: npm run fidelity -- [--windows 20] [--context 2048] [--candidates "f32:4 w4a8:4,weight.block=64"] [--model FILE.gguf] [--workers 2] [--out FILE]
// Finished windows are kept in FILE (JSON lines); a second run with the same sources goes on from there. Prints a Markdown table.
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { summarise } from '../src/evaluate/divergence.ts';
import { BASE, runJobs, type WindowJob } from '../src/evaluate/jobs.ts';
import { mean } from '../src/evaluate/statistics.ts';
import { perplexityOf } from '../src/evaluate/windows.ts';
import { openGguf } from '../src/importers/open.ts';
import { digestOf } from '../src/surfaces/adapters/evaluation/digest.ts';
import type { ModelSpec } from '../src/surfaces/adapters/evaluation/setup.ts';
import { openLanes } from '../src/surfaces/adapters/evaluation/threads.ts';
import { decodeFigures, encodeFigures, WorkFile, type FiguresRecord } from '../src/surfaces/adapters/evaluation/work-file.ts';
import { fileSource } from '../src/surfaces/adapters/files.ts';
import { resolveRecipe } from '../src/surfaces/quantize/options.ts';
import { kvBits } from '../src/surfaces/cli/parse.ts';
import { Tokenizer } from '../src/tokenizer/tokenizer.ts';
import { referenceGguf, sharedFile } from '../test/support/shared.ts';
import { buildDigest, root } from './lab/build.ts';

/** sha256 of the ids of wikitext-2-test.txt as little-endian u16, from the goldens. */
const GOLDEN_IDS = '5b2c8b5d2fe6b2b055318fba37002ec08f834d6897b88f0fded2576e8b02292a';
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
const context = Number(flags.context);
if (!flags.model || !flags.text) throw new Error('a model and a text are needed: set TETRAD_REF_GGUF and TETRAD_SHARED, or give --model and --text');

/** `recipe`, `recipe:kv` or `recipe:kv,path=value,...`, such as `w4a8:8,weight.block=64` or `w4a8:4,kv.keyGroup=64`. */
function parseCandidate(text: string): ModelSpec {
  const [head, ...set] = text.split(',') as [string, ...string[]];
  const [recipe, kv] = head.split(':') as [string, string?];
  return { source: flags.model, recipe, set, kv: kv === undefined ? undefined : kvBits(kv) };
}

const specs = Object.fromEntries(candidates.map((candidate) => [candidate, parseCandidate(candidate)]));
const kvOf = (candidate: string): number => resolveRecipe(specs[candidate]!).kv.bits;
candidates.forEach(kvOf); // throws where there is no such recipe

async function tokenise(): Promise<number[]> {
  const store = await openGguf(await fileSource(flags.model));
  try {
    return new Tokenizer(store.tokenizer).encode(readFileSync(flags.text, 'utf8'));
  } finally {
    await store.close();
  }
}

const model = basename(flags.model);
const build = buildDigest();
const work = new WorkFile(flags.out);
const ids = await tokenise();
const windows = Math.min(Number(flags.windows), Math.floor(ids.length / context));
const key = digestOf(build, model, context, new Uint8Array(Int32Array.from(ids).buffer)).slice(0, 16);
const record = (window: number, candidate: string): FiguresRecord | undefined => work.get(key, `window ${window} ${candidate}`) as FiguresRecord | undefined;

const jobs: WindowJob[] = [];
for (let window = 0; window < windows; window++) {
  const missing = candidates.filter((candidate) => !record(window, candidate));
  if (missing.length === 0 && record(window, BASE)) continue;
  jobs.push({ kind: 'window', window, tokens: Int32Array.from(ids.slice(window * context, (window + 1) * context)), candidates: missing });
}
const base: ModelSpec = { source: flags.model, recipe: 'f32', kv: 32 };
if (jobs.length > 0) {
  await using open = openLanes({ candidates: specs, base, context, threads: 1 }, Math.min(Number(flags.workers), jobs.length));
  await runJobs(open.lanes, jobs, ({ window }, outcome) => {
    for (const figures of outcome) work.add(key, `window ${window} ${figures.name}`, encodeFigures(figures));
    process.stderr.write(`window ${window}: ${outcome.map(({ name }) => name).join(' ')}\n`);
  }, new AbortController().signal);
}

const all = Array.from({ length: windows }, (_, window) => window);
const figures = (candidate: string) => all.map((window) => decodeFigures(record(window, candidate)!));
const baseNll = figures(BASE).map(({ nll }) => nll);
const mebibytes = (candidate: string): string => (record(0, candidate)!.bytes / 2 ** 20).toFixed(1);
const nameOf = (candidate: string): string => candidate.replace(/:\d+/, '');
const rows = candidates.map((candidate) => {
  const d = summarise(baseNll, figures(candidate));
  const cells = [nameOf(candidate), kvOf(candidate), d.perplexity.toFixed(3), d.ratio.toFixed(4), d.meanKl.toFixed(5), d.medianKl.toFixed(5), d.kl999.toFixed(3)];
  return [...cells, `${(d.sameTop * 100).toFixed(2)} %`, `${(d.rmsChange * 100).toFixed(2)} %`, mebibytes(candidate)];
});
rows.unshift(['f32', 32, perplexityOf(baseNll.map(mean)).toFixed(3), '1', '0', '0', '0', '100 %', '0 %', mebibytes(BASE)]);
process.stdout.write(`${model}, ${windows} windows of ${context} tokens, build ${build}, Node ${process.version}\n\n`);
process.stdout.write('| recipe | KV bits | perplexity | ratio | mean KL | median KL | 99.9 % KL | same top-1 | RMS Δp | MiB |\n|---|---|---|---|---|---|---|---|---|---|\n');
for (const row of rows) process.stdout.write(`| ${row.join(' | ')} |\n`);

const goldens = sharedFile('goldens/ref-goldens.json');
if (goldens && context === 2048 && basename(flags.text) === 'wikitext-2-test.txt' && model.startsWith('SmolLM2-135M-Instruct.Q4_1')) {
  const published = (JSON.parse(readFileSync(goldens, 'utf8')) as { ppl: Record<string, { window_nll: number[] }> }).ppl['wiki@2048']!.window_nll;
  const worst = Math.max(...baseNll.map((nll, window) => Math.abs(mean(nll) - published[window]!)));
  const sum = digestOf(new Uint8Array(Uint16Array.from(ids).buffer));
  process.stdout.write(`\nToken ids: ${ids.length}, sha256 ${sum}. Largest difference of a window's f32 cross entropy from PyTorch's: ${worst.toExponential(1)}.\n`);
  if (worst > 1e-4 || sum !== GOLDEN_IDS) throw new Error('token ids or f32 figures differ from the goldens: the table above is not to be trusted');
}
