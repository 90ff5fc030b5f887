/**
 * The embedded model beside the limits of the machine, measured in the same run: speed against depth, threads and KV bits, memory, cold start, heap.
 * Usage: npm run bench -- model [--rounds 5] [--threads 1,2] [--depths 0,512,1920] [--kv 4,8,32] [--cold 5] [--heap TOKENS] [--json FILE] [--from FILE]
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PAGE } from '../src/formats/descriptor.ts';
import type { Isa } from '../src/kernels/manifest.ts';
import type { Decoder } from '../src/runtime/decoder.ts';
import { benchTokens, blockSizes } from '../src/surfaces/cli/bench-run.ts';
import { modelCells, modelKey, MODEL_TITLES, type ModelFigure } from './figure.ts';
import { heapBytes, heapOver } from './heap.ts';
import { openEmbedded } from './open.ts';
import { higher, measureLimits } from './probe.ts';
import { headLine, markdown, readResult, thisMachine, writeResult, type Result } from './result.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' }, threads: { type: 'string', default: '1,2' }, depths: { type: 'string', default: '0,512,1920' },
    kv: { type: 'string', default: '4,8,32' }, cold: { type: 'string', default: '5' }, heap: { type: 'string', default: '0' },
    json: { type: 'string' }, from: { type: 'string' },
  },
});
const numbers = (list: string): number[] => list.split(',').map(Number);
const [rounds, cold, heapTokens] = [Number(options.rounds), Number(options.cold), Number(options.heap)];

const PROMPT = 512;
const GENERATED = 64;

/** Feeds tokens in blocks of at most `most`. */
function feed(decoder: Decoder, count: number, most: number): void {
  for (const size of blockSizes(decoder, count, most)) decoder.forward(benchTokens(decoder.vocab, size));
}

/** Tokens per second after `depth` tokens, a multiple of a page, so that the context is filled once and cut back before each round; one round warms up. */
function speeds(decoder: Decoder, depth: number, count: number, most: number): number[] {
  decoder.truncate(0);
  feed(decoder, depth, PAGE);
  return Array.from({ length: rounds + 1 }, () => {
    decoder.truncate(depth);
    const start = performance.now();
    feed(decoder, count, most);
    return (count * 1e3) / (performance.now() - start);
  }).slice(1);
}

/** Multiply-accumulates of a token in the layers, and in the output, which a block of a prompt has once. */
function macsOf({ manifest }: Decoder): readonly [layers: number, output: number] {
  const sum = (names: (name: string) => boolean): number =>
    Object.entries(manifest.linears).filter(([name]) => names(name)).reduce((total, [, { rows, cols }]) => total + rows * cols, 0);
  return [sum((name) => name.startsWith('layers.')), sum((name) => name === 'output')];
}

async function measureSpeed(threads: number, kv: 4 | 8 | 32, depths: readonly number[], each: (row: ModelFigure) => void): Promise<void> {
  const heapBefore = heapBytes();
  const onNote = (note: string): void => void process.stderr.write(`Note: ${note}\n`);
  await using decoder = await openEmbedded({ threads, kv, context: Math.max(...depths) + PROMPT, onNote });
  const path = decoder.backend.path as Isa;
  const [layers, output] = macsOf(decoder);
  const { bytes } = decoder.manifest;
  const base = { threads: decoder.threads, unit: 'tok/s', path } as const;
  for (const depth of depths) {
    const at = `KV${kv}${depth ? ` @ d${depth}` : ''}`;
    each({ ...base, name: `pp${PROMPT} ${at}`, samples: speeds(decoder, depth, PROMPT, PAGE), macs: layers + output / PAGE, bytes: bytes / PAGE });
    each({ ...base, name: `tg${GENERATED} ${at}`, samples: speeds(decoder, depth, GENERATED, 1), macs: layers + output, bytes });
  }
  const fact = { threads: decoder.threads, path, unit: 'bytes', macs: 0, bytes: 0 } as const;
  each({ ...fact, name: `linear memory, KV${kv}, context ${decoder.context}`, samples: [decoder.backend.memory.buffer.byteLength] });
  each({ ...fact, name: `heap of the decoder, KV${kv}`, samples: [Math.max(0, heapBytes() - heapBefore)] });
}

/** Fresh processes, from their start to the first token of a 32-token prompt. */
function coldStart(path: Isa, each: (row: ModelFigure) => void): void {
  const script = fileURLToPath(new URL('../scripts/coldstart.mjs', import.meta.url));
  const result = JSON.parse(execFileSync(process.execPath, [script, '--json', '--runs', String(cold)], { encoding: 'utf8' })) as Record<string, number[] | string>;
  for (const [name, samples] of Object.entries(result)) {
    if (!Array.isArray(samples)) continue;
    each({ name: `cold start: ${name}`, threads: 0, path, unit: name.endsWith('_ms') ? 'ms' : 'bytes', samples, macs: 0, bytes: 0 });
  }
}

async function run(): Promise<Result<ModelFigure>> {
  const before = await measureLimits();
  const rows: ModelFigure[] = [];
  const each = (row: ModelFigure): void => {
    rows.push(row);
    process.stderr.write(`${modelKey(row)}\n`);
  };
  const depths = numbers(options.depths);
  const [first, ...others] = numbers(options.kv) as (4 | 8 | 32)[];
  for (const threads of numbers(options.threads)) await measureSpeed(threads, first!, depths, each);
  for (const kv of others) await measureSpeed(1, kv, [depths[0]!, depths.at(-1)!], each);
  const path = rows[0]!.path;
  if (cold > 0) coldStart(path, each);
  if (heapTokens > 0) {
    const { heap, allocated } = await heapOver(heapTokens);
    each({ name: `heap in use after each generation, ${heapTokens} tokens in all`, threads: 0, path, unit: 'bytes', samples: heap, macs: 0, bytes: 0 });
    each({ name: 'heap allocated by a token', threads: 0, path, unit: 'bytes/token', samples: [allocated], macs: 0, bytes: 0 });
  }
  return { bench: 'model', machine: thisMachine(), limits: higher(before, await measureLimits()), rows };
}

const result = options.from === undefined ? await run() : readResult<ModelFigure>(options.from);
process.stdout.write(`${headLine(result)}\n\n${markdown(MODEL_TITLES, result.rows.map((row) => modelCells(row, result.limits!)))}`);
if (options.json !== undefined) writeResult(options.json, result);
