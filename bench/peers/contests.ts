/** Who is measured against whom, as data: what a run gives, and how to run each side. */
import { measureBatch, measurePeer, modelAs, type HarnessOptions, type HarnessRow } from './harness.ts';
import { oursColdInChromium, oursColdInNode, oursInChromium, oursInNode, oursTogether } from './ours.ts';

/** One run's figures by metric; `foreign`: percent of the machine that others used; `threads`: those that ran, if not as asked. */
export type Figures = Readonly<Partial<Record<Metric | 'foreign' | 'threads', number>>>;

export const METRICS = {
  prefill: { unit: 'tok/s', more: true },
  decode: { unit: 'tok/s', more: true },
  batch: { unit: 'tok/s', more: true },
  first: { unit: 'ms', more: false },
  memory: { unit: 'bytes', more: false },
} as const;
export type Metric = keyof typeof METRICS;

export interface Contender {
  /** For `--peers`. */
  readonly peer: 'llama.cpp' | 'wllama' | 'transformers.js' | 'chromium';
  readonly name: string;
  run(threads: number): Promise<Figures>;
}

export interface Contest {
  readonly test: string;
  readonly title: string;
  readonly ours: (threads: number) => Promise<Figures>;
  readonly against: readonly Contender[];
}

const foreign = (row: HarnessRow): number => row.foreign_cpu_percent + row.steal_cpu_percent;

const speeds = (rows: readonly HarnessRow[]): Figures =>
  Object.fromEntries([['foreign', Math.max(...rows.map(foreign))], ...rows.map((row) => [row.n_prompt > 0 ? 'prefill' : 'decode', row.median_ts])]) as Figures;

/** The load from the browser's own cache counts where there is one: the faster of the two that a page can have. */
const cold = ([row]: readonly HarnessRow[]): Figures => ({
  first: (row!.load_cached_ms ?? row!.load_ms!) + row!.ttft32_cold_ms!, memory: row!.peak_rss_bytes!, foreign: foreign(row!),
});

type Test = Omit<HarnessOptions, 'peer' | 'model' | 'threads'>;

const peer = (name: HarnessOptions['peer'], type: string, test: Test, figures: (rows: readonly HarnessRow[]) => Figures): Contender => ({
  peer: name,
  name: [name, type, ...(test.cache ? [`${test.cache} KV`] : [])].join(' '),
  run: async (threads) => figures(await measurePeer({ peer: name, model: modelAs(type === '4-bit' ? 'Q4_1' : type), threads, ...test })),
});

const everyone = (test: Test, figures: (rows: readonly HarnessRow[]) => Figures, inBrowser: (threads: number) => Promise<Figures>): Contender[] => [
  peer('llama.cpp', 'Q4_0', test, figures),
  peer('llama.cpp', 'Q4_1', test, figures),
  peer('wllama', 'Q4_1', test, figures),
  peer('transformers.js', '4-bit', test, figures),
  { peer: 'chromium', name: 'tetrad in Chromium', run: inBrowser },
];

const DEEP = 2048;
const [SEQUENCES, BATCH_PROMPT, BATCH_GEN] = [16, 32, 64];

export const CONTESTS: readonly Contest[] = [
  {
    test: 'speed', title: 'prefill of 512 tokens, decode of 128',
    ours: (threads) => oursInNode(threads, 512, 128),
    against: everyone({ prompt: 512, gen: 128 }, speeds, (threads) => oursInChromium(threads, 512, 128)),
  },
  {
    test: 'deep', title: `decode of 64 tokens at depth ${DEEP}`,
    ours: (threads) => oursInNode(threads, 0, 64, DEEP),
    against: ['Q4_0', 'Q4_1'].flatMap((type) => (['f16', 'q4_0'] as const).map((cache) => peer('llama.cpp', type, { prompt: 0, gen: 64, depth: DEEP, cache }, speeds))),
  },
  {
    test: 'batch', title: `decode of ${SEQUENCES} sequences together`,
    ours: (threads) => oursTogether(threads, SEQUENCES, BATCH_PROMPT, BATCH_GEN),
    against: [{ peer: 'llama.cpp', name: 'llama.cpp Q4_0', run: async (threads) => ({ batch: await measureBatch(modelAs('Q4_0'), SEQUENCES, BATCH_PROMPT, BATCH_GEN, threads) }) }],
  },
  {
    test: 'cold', title: 'start to the first token of a 32-token prompt, peak memory',
    ours: oursColdInNode,
    against: everyone({ prompt: 32, gen: 0, session: true }, cold, oursColdInChromium),
  },
];
