/**
 * Every recipe on the real kernels: quantises, measures quality against f32, size and speed, and writes docs/recipes.md and the README's table from what was found.
 * Usage: npm run lab -- [--models soft,ref] [--rows NAME,...] [--windows 20] [--context 2048] [--out DIR] [--peers DIR] [--workers 2] [--keep] [--no-speed]
 *        npm run lab -- --docs [--out DIR]
 * Finished rows are lines of DIR/MODEL.jsonl (default bench/lab/results/) and are skipped, --keep: also those that other sources made. Containers, the f32 base
 * (4 GB for 20 windows) and unfinished rows are in build/lab/. `--peers` names the folder in which ../shared/peers/setup.sh built llama.cpp.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { splitWindows } from '../src/evaluate/windows.ts';
import { openGguf } from '../src/importers/open.ts';
import { fileSource } from '../src/surfaces/adapters/files.ts';
import { Tokenizer } from '../src/tokenizer/tokenizer.ts';
import { sharedFile } from '../test/support/shared.ts';
import { buildDigest, RECIPES, root } from './lab/build.ts';
import { writeDocs } from './lab/docs.ts';
import { missingPrograms } from './lab/llama.ts';
import { measure, type Bench } from './lab/measure.ts';
import { MODEL_NAMES, MODELS, type LabModel } from './lab/models.ts';
import { digestOfWindows, type Text } from './lab/quality.ts';
import { ResultFile } from './lab/result.ts';
import { ROWS, type LabRow } from './lab/rows.ts';

const { values: flags } = parseArgs({
  allowNegative: true,
  options: {
    models: { type: 'string', default: MODEL_NAMES.join(',') }, rows: { type: 'string', default: ROWS.map(({ label }) => label).join(',') },
    windows: { type: 'string', default: '20' }, context: { type: 'string', default: '2048' }, out: { type: 'string', default: join(root, 'bench', 'lab', 'results') },
    peers: { type: 'string', default: process.env['PEERS_HOME'] ?? '' }, workers: { type: 'string', default: '2' },
    keep: { type: 'boolean', default: false }, speed: { type: 'boolean', default: true }, docs: { type: 'boolean', default: false },
  },
});

function fail(message: string): never {
  process.stderr.write(`Error: ${message}\n`);
  process.exit(2);
}

/** The items of a list, by name; ends the program where one is unknown. */
function chosen<T>(list: string, all: readonly T[], nameOf: (item: T) => string): T[] {
  return list.split(',').map((name) => all.find((item) => nameOf(item) === name) ?? fail(`unknown "${name}": of ${all.map(nameOf).join(', ')} are needed`));
}

async function textOf(source: string): Promise<Text> {
  const file = sharedFile('data/wikitext-2-test.txt') ?? fail('there is no data/wikitext-2-test.txt: TETRAD_SHARED names the folder that holds it');
  const store = await openGguf(await fileSource(source));
  await store.close();
  const ids = new Tokenizer(store.tokenizer).encode(readFileSync(file, 'utf8'), { bos: store.tokenizer.addBos });
  const context = Number(flags.context);
  const windows = splitWindows(ids, [store.config], { context, windows: Number(flags.windows) });
  return { file, windows, context, digest: digestOfWindows(windows) };
}

async function benchOf(model: LabModel): Promise<Bench> {
  const source = model.path() ?? fail(`there is no ${model.file}: TETRAD_SHARED and TETRAD_REF_GGUF say where models are`);
  const folder = join(root, 'build', 'lab', model.name);
  mkdirSync(folder, { recursive: true });
  return {
    model, source, folder, build: buildDigest([RECIPES]), text: await textOf(source), keep: flags.keep, speeds: flags.speed, workers: Number(flags.workers),
    llama: { programs: join(flags.peers, 'build', 'llama', 'bin'), folder: join(folder, 'llama'), threads: Number(flags.workers) },
    results: new ResultFile(join(flags.out, `${model.name}.jsonl`)),
  };
}

/** Whether there was no failure. Rows that cannot be measured here are no failure. */
async function runRow(bench: Bench, row: LabRow): Promise<boolean> {
  const say = (what: string): boolean => process.stderr.write(`${bench.model.name} ${row.label}: ${what}\n`);
  const missing = 'gguf' in row.subject ? missingPrograms(flags.peers || undefined) : null;
  if (missing !== null) return say(`left out, ${missing}`);
  try {
    say(await measure(bench, row));
    return true;
  } catch (error) {
    say(`failed: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

if (flags.docs) {
  writeDocs(MODEL_NAMES.map((name) => new ResultFile(join(flags.out, `${name}.jsonl`))));
} else {
  const rows = chosen(flags.rows, ROWS, ({ label }) => label);
  for (const model of chosen(flags.models, MODEL_NAMES.map((name) => MODELS[name]), ({ name }) => name)) {
    const bench = await benchOf(model);
    for (const row of rows.filter(({ models }) => models.includes(model.name))) if (!(await runRow(bench, row))) process.exitCode = 1;
  }
}
