// What storing the weights in a grid costs by itself: KL against f32 on WikiText-2 with everything else in f32.
// Usage: npm run grids -- [--windows 3] [--context 1024] [--only "6 bits"]    Needs the reference GGUF and ../shared/data.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { compare } from '../src/evaluate/divergence.ts';
import { evaluatorOf } from '../src/evaluate/evaluator.ts';
import { dequantise } from '../src/formats/dequantise.ts';
import { PAGE } from '../src/formats/descriptor.ts';
import type { WeightFormat } from '../src/formats/number-format.ts';
import { KV32 } from '../src/formats/number-format.ts';
import { openGguf } from '../src/importers/open.ts';
import type { WeightStore, WeightTensor } from '../src/models/weights.ts';
import { recipe } from '../src/quantize/registry.ts';
import { quantize } from '../src/quantize/run.ts';
import { nearest } from '../src/quantize/rounding/nearest.ts';
import { takeGrid } from '../src/quantize/steps/source.ts';
import { createDecoder } from '../src/runtime/decoder.ts';
import { fileSource } from '../src/surfaces/adapters/files.ts';
import { opener } from '../src/surfaces/adapters/node.ts';
import { Tokenizer } from '../src/tokenizer/tokenizer.ts';
import { referenceGguf, sharedFile } from '../test/support/shared.ts';

type BlockFormat = WeightFormat & { readonly block: number };

interface Grid {
  readonly label: string;
  readonly format: BlockFormat;
  readonly rounding: 'source' | 'nearest';
  /** Which tensors are stored so; the others stay as they are. */
  readonly applies: (name: string) => boolean;
}

const blocks = (name: string): boolean => /\.(attn|mlp)\.(q|k|v|o|gate|up|down)$/.test(name);
const table = (name: string): boolean => name === 'embed';
const of = (bits: 4 | 6 | 8, block: 32 | 64 | 128, scale: 'f16' | 'u8', zero: 'mid' | 'min'): BlockFormat => ({ bits, block, scale, zero });
const ALL: readonly Grid[] = [
  { label: 'blocks: source codes, two-level scales and minima', format: of(4, 32, 'u8', 'min'), rounding: 'source', applies: blocks },
  { label: 'blocks: nearest, two-level', format: of(4, 32, 'u8', 'min'), rounding: 'nearest', applies: blocks },
  { label: 'embedding: 6 bits, 64, f16', format: of(6, 64, 'f16', 'mid'), rounding: 'nearest', applies: table },
  { label: 'embedding: 6 bits, 128, f16', format: of(6, 128, 'f16', 'mid'), rounding: 'nearest', applies: table },
  { label: 'embedding: 6 bits, 32, two-level', format: of(6, 32, 'u8', 'mid'), rounding: 'nearest', applies: table },
  { label: 'embedding: 6 bits, 32, two-level with minimum', format: of(6, 32, 'u8', 'min'), rounding: 'nearest', applies: table },
  { label: 'embedding: 6 bits, 64, two-level with minimum', format: of(6, 64, 'u8', 'min'), rounding: 'nearest', applies: table },
  { label: 'embedding: 4 bits, 32, two-level with minimum', format: of(4, 32, 'u8', 'min'), rounding: 'nearest', applies: table },
];

/** The store with some tensors as they come back from a grid. */
function through(store: WeightStore, { format, rounding, applies }: Grid): WeightStore {
  const stored = (tensor: WeightTensor): WeightTensor => ({
    ...tensor,
    rows: tensor.rows,
    cols: tensor.cols,
    readGrid: tensor.readGrid.bind(tensor),
    async read(from, to, signal) {
      const rows = to - from;
      const { codes, rowScales } = rounding === 'source'
        ? takeGrid(await tensor.readGrid(from, to, signal), rows, tensor.cols, format)
        : nearest(await tensor.read(from, to, signal), rows, tensor.cols, format);
      return dequantise(format, codes, rowScales);
    },
  });
  return {
    config: store.config, tokenizer: store.tokenizer, provenance: store.provenance,
    has: (name) => store.has(name),
    tensor: (name) => (applies(name) ? stored(store.tensor(name)) : store.tensor(name)),
    close: () => store.close(),
  };
}

const { values: flags } = parseArgs({
  options: { windows: { type: 'string', default: '3' }, context: { type: 'string', default: '1024' }, only: { type: 'string', default: '' } },
});
const GRIDS = ALL.filter(({ label }) => label.includes(flags.only));
const [gguf, text] = [referenceGguf(), sharedFile('data/wikitext-2-test.txt')];
if (!gguf || !text) throw new Error('the reference GGUF and ../shared/data are needed');
const store = await openGguf(await fileSource(gguf));
const open = await opener();
const context = Number(flags.context);
const evaluator = async (from: WeightStore) => evaluatorOf(await createDecoder(quantize(from, recipe('f32')), open, { context, kv: KV32, logitRows: PAGE }));
const ids = new Tokenizer(store.tokenizer).encode(readFileSync(text, 'utf8'));
const base = await evaluator(store);
const { candidates } = await compare(base, await Promise.all(GRIDS.map((grid) => evaluator(through(store, grid)))), ids, { context, windows: Number(flags.windows) });
console.log(`${flags.windows} windows of ${context} tokens\n\n| grid | bits per weight | perplexity ratio | mean KL | 99.9 % KL | same top-1 |\n|---|---:|---:|---:|---:|---:|`);
candidates.forEach((d, i) => {
  const { label, format } = GRIDS[i]!;
  const side = (format.scale === 'u8' ? 8 : 16) * (format.zero === 'min' ? 2 : 1);
  console.log(`| ${label} | ${(format.bits + side / format.block).toFixed(2)} | ${d.ratio.toFixed(4)} | ${d.meanKl.toFixed(5)} | ${d.kl999.toFixed(4)} | ${(d.sameTop * 100).toFixed(1)} % |`);
});
