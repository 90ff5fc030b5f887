/**
 * Every kernel over the shapes of a real model, on one thread: verified against another path, then timed, beside the limits measured in the same run.
 * Usage: npm run bench [-- kernels] [--only REGEX] [--paths LIST] [--rounds 5] [--round-ms 20] [--json FILE] [--svg] [--from FILE]
 */
import { parseArgs } from 'node:util';
import { openReference } from '../src/backends/reference/index.ts';
import type { Backend } from '../src/backends/backend.ts';
import { openWasm } from '../src/backends/wasm/open.ts';
import { bestPath, selfTest } from '../src/backends/wasm/self-test.ts';
import { KERNELS, type Isa } from '../src/kernels/manifest.ts';
import { testModules } from '../test/support/modules.ts';
import { attentionFigures } from './attention.ts';
import type { KernelCase, Placed } from './cases/case.ts';
import { gemmCases } from './cases/gemm.ts';
import { otherCases } from './cases/producers.ts';
import { higher, measureLimits } from './probe.ts';
import { headLine, markdown, readResult, thisMachine, writeResult, writeText, type Result } from './result.ts';
import { KERNEL_TITLES, kernelCells, keyOf, type KernelFigure } from './roofline.ts';
import { rooflineSvg } from './svg/roofline.ts';
import { time, type Rounds } from './timing.ts';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '' }, paths: { type: 'string' }, rounds: { type: 'string', default: '5' }, 'round-ms': { type: 'string', default: '20' },
    json: { type: 'string' }, svg: { type: 'boolean' }, from: { type: 'string' },
  },
});

interface Opened { readonly path: Isa; readonly backend: Backend; readonly placed: Placed }

const bytesOf = ({ memory }: Backend, placed: Placed, tokens: number): Uint8Array[] => placed.output(tokens).map(([from, bytes]) => memory.u8.slice(from, from + bytes));

/** Throws unless all paths give the same bytes at every number of tokens; a case with one path is compared with the scalar kernels. */
function verify(kernel: KernelCase, opened: readonly Opened[]): void {
  const [first, ...others] = opened.map(({ backend, placed }) => ({ backend, placed }));
  if (others.length === 0) {
    const backend = openReference(kernel.memory);
    others.push({ backend, placed: kernel.place(backend.memory) });
  }
  for (const tokens of kernel.tokens) {
    const results = [first!, ...others].map(({ backend, placed }) => {
      placed.call(backend.kernels, tokens, 0);
      return bytesOf(backend, placed, tokens);
    });
    const same = results.every((result) => result.every((bytes, i) => Buffer.compare(bytes, results[0]![i]!) === 0));
    if (!same) throw new Error(`${kernel.op} ${kernel.label} ${kernel.site}, ${tokens} tokens: results differ`);
  }
}

async function measure(paths: readonly Isa[], only: RegExp, rounds: Rounds, each: (row: KernelFigure) => void): Promise<void> {
  const modules = await testModules();
  for (const kernel of [...gemmCases(), ...otherCases()]) {
    const { op, label, site } = kernel;
    if (!only.test(`${op} ${label} ${site}`)) continue;
    const own = paths.filter((path) => KERNELS.some((row) => row.op === op && row.isa === path));
    const opened: Opened[] = [];
    for (const path of own) {
      const backend = openWasm(modules, path, kernel.memory);
      const source = opened[0];
      if (source) backend.memory.u8.set(source.backend.memory.u8.subarray(0, source.placed.end));
      opened.push({ path, backend, placed: source?.placed ?? kernel.place(backend.memory) });
    }
    if (opened.length === 0) continue;
    verify(kernel, opened);
    for (const tokens of kernel.tokens) {
      for (const { path, backend, placed } of opened) {
        let copy = 0;
        const ms = time(() => placed.call(backend.kernels, tokens, copy++ % placed.copies), rounds);
        each({ op, label, site, tokens, path, ...kernel.work(tokens), ms });
      }
    }
  }
}

async function run(): Promise<Result<KernelFigure>> {
  const before = await measureLimits();
  const reports = selfTest(await testModules(), () => performance.now());
  const usable = reports.filter((p) => p.fault === null).map((p) => p.isa);
  const asked = options.paths?.split(',');
  const paths = asked ? usable.filter((path) => asked.includes(path)) : usable;
  const only = new RegExp(options.only);
  const rows: KernelFigure[] = [];
  const add = (row: KernelFigure): void => {
    rows.push(row);
    process.stderr.write(`${keyOf(row)}\n`);
  };
  await measure(paths, only, { rounds: Number(options.rounds), round: Number(options['round-ms']) }, add);
  // The depth of a context takes seconds to fill: on the path that a model would take, unless others are asked for.
  if (only.test('attention')) for (const path of asked ? paths : [bestPath(reports)]) (await attentionFigures(path, Number(options.rounds))).forEach(add);
  return { bench: 'kernels', machine: thisMachine(), limits: higher(before, await measureLimits()), rows };
}

const result = options.from === undefined ? await run() : readResult<KernelFigure>(options.from);
process.stdout.write(`${headLine(result)}\n\n${markdown(KERNEL_TITLES, result.rows.map((row) => kernelCells(row, result.limits!)))}`);
if (options.json !== undefined) writeResult(options.json, result);
if (options.svg) writeText('docs/roofline.svg', rooflineSvg(result));
