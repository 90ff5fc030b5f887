import { binaryBytes, parameters, tableHead, tableRow, type Column } from './format.ts';

/** What one line of a benchmark says, in llama-bench's JSON fields, so that scripts written for those read ours. */
export interface BenchRow {
  readonly build_commit: string;
  readonly build_number: number;
  readonly cpu_info: string;
  readonly gpu_info: string;
  readonly backends: string;
  readonly model_filename: string;
  readonly model_type: string;
  /** Bytes of weights. */
  readonly model_size: number;
  readonly model_n_params: number;
  readonly n_batch: number;
  readonly n_ubatch: number;
  readonly n_threads: number;
  readonly type_k: string;
  readonly type_v: string;
  readonly n_gpu_layers: number;
  readonly flash_attn: boolean;
  readonly n_prompt: number;
  readonly n_gen: number;
  readonly n_depth: number;
  /** ISO 8601. */
  readonly test_time: string;
  readonly avg_ns: number;
  readonly stddev_ns: number;
  readonly avg_ts: number;
  readonly stddev_ts: number;
  readonly samples_ns: readonly number[];
  readonly samples_ts: readonly number[];
}

type Timing = Pick<BenchRow, 'avg_ns' | 'stddev_ns' | 'avg_ts' | 'stddev_ts' | 'samples_ns' | 'samples_ts'>;

/** Mean and sample standard deviation of times and of tokens per second. */
export function timing(tokens: number, samplesNs: readonly number[]): Timing {
  const rates = samplesNs.map((ns) => (tokens * 1e9) / ns);
  return {
    avg_ns: Math.round(mean(samplesNs)), stddev_ns: Math.round(deviation(samplesNs)), avg_ts: mean(rates), stddev_ts: deviation(rates),
    samples_ns: samplesNs, samples_ts: rates,
  };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function deviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

const COLUMNS: readonly Column[] = [
  { title: 'model', width: 30, align: 'left' },
  { title: 'size', width: 10, align: 'right' },
  { title: 'params', width: 10, align: 'right' },
  { title: 'backend', width: 16, align: 'left' },
  { title: 'threads', width: 7, align: 'right' },
  { title: 'test', width: 15, align: 'right' },
  { title: 't/s', width: 20, align: 'right' },
];

export const benchHead = (): string => tableHead(COLUMNS);

/** `pp512`, `tg128`, `pp512 @ d4096`. */
export function testName({ n_prompt: prompt, n_gen: gen, n_depth: depth }: Pick<BenchRow, 'n_prompt' | 'n_gen' | 'n_depth'>): string {
  const name = gen === 0 ? `pp${prompt}` : prompt === 0 ? `tg${gen}` : `pp${prompt}+tg${gen}`;
  return depth > 0 ? `${name} @ d${depth}` : name;
}

type Shown = 'model_type' | 'model_size' | 'model_n_params' | 'backends' | 'n_threads' | 'n_prompt' | 'n_gen' | 'n_depth' | 'avg_ts' | 'stddev_ts';

export function benchLine(row: Pick<BenchRow, Shown>): string {
  return tableRow(COLUMNS, [
    row.model_type, binaryBytes(row.model_size), parameters(row.model_n_params), row.backends, String(row.n_threads), testName(row),
    `${row.avg_ts.toFixed(2)} ± ${row.stddev_ts.toFixed(2)}`,
  ]);
}
