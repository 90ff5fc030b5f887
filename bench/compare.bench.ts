/**
 * Compares shares of the roofline with the baseline of this machine, bench/baselines/MACHINE.json; without files it measures the kernels anew.
 * Usage: npm run bench -- compare [RESULT.json ...] [--strict] [--save]    Results come from `--json` of kernels and model; --save makes them the baseline.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { baselineOf, compare, report, type Baseline } from './baseline.ts';
import type { ModelFigure } from './figure.ts';
import { machineName, readResult, writeText, type Result } from './result.ts';
import type { KernelFigure } from './roofline.ts';

const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { strict: { type: 'boolean' }, save: { type: 'boolean' } } });
const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** Runs the kernel bench; its table goes to stderr. */
function measured(): string {
  const file = path('../build/compare.json');
  execFileSync(process.execPath, [path('kernels.bench.ts'), '--json', file], { stdio: ['ignore', process.stderr, process.stderr] });
  return file;
}

const results = (positionals.length > 0 ? positionals : [measured()]).map((file) => readResult(file) as Result<KernelFigure> | Result<ModelFigure>);
const file = path(`baselines/${machineName(results[0]!.machine)}.json`);

if (options.save) {
  const { machine, rows } = baselineOf(results);
  const lines = Object.entries(rows).map(([key, kept]) => `    ${JSON.stringify(key)}: ${JSON.stringify(kept)}`);
  writeText(file, `{\n  "machine": ${JSON.stringify(machine)},\n  "rows": {\n${lines.join(',\n')}\n  }\n}\n`);
  process.stdout.write(`Saved ${lines.length} rows in bench/baselines/${machineName(machine)}.json\n`);
} else if (!existsSync(file)) {
  process.stdout.write(`There is no baseline of this machine: --save makes one, bench/baselines/${machineName(results[0]!.machine)}.json\n`);
} else {
  const verdicts = compare(JSON.parse(readFileSync(file, 'utf8')) as Baseline, results);
  process.stdout.write(report(verdicts));
  if (options.strict && verdicts.some(({ verdict }) => verdict === 'worse')) process.exitCode = 1;
}
