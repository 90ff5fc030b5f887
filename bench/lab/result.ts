import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Recipe } from '../../src/quantize/recipe.ts';
import type { Machine } from '../result.ts';
import type { ModelName } from './models.ts';

export interface Quality {
  readonly perplexity: number;
  /** Perplexity over that of f32, and its standard error. */
  readonly ratio: number;
  readonly ratioError: number;
  /** KL(f32 || row), nats per token. */
  readonly meanKl: number;
  readonly kl999: number;
  readonly sameTop: number;
  readonly rmsChange: number;
}

/** Tokens per second on one thread, one value per run. */
export interface Speed {
  readonly path: string;
  /** A prompt of 512 tokens. */
  readonly prefill: readonly number[];
  /** 64 tokens one by one. */
  readonly decode: readonly number[];
}

/** One row of one model over so many windows. */
export interface LabResult {
  readonly model: ModelName;
  readonly label: string;
  readonly windows: number;
  readonly context: number;
  /** As it ran; null for what has no recipe. */
  readonly recipe: Recipe | null;
  /** Digests of what the row is, and of the sources that made it. */
  readonly digest: string;
  readonly build: string;
  readonly machine: Machine;
  readonly size: {
    /** On disk. */
    readonly bytes: number;
    /** Per weight of the layers: scales, orders and branches counted, embedding and output layer not. */
    readonly bits: number;
    /** Shares of the layers' products with activations of 4 and of 8 bits; null where the runtime is not ours. */
    readonly share4: number | null;
    readonly share8: number | null;
  };
  /** What quantising took, and in which steps; null where nothing was. */
  readonly seconds: number | null;
  readonly timings: Readonly<Record<string, number>>;
  /** Over whole windows, and over the second half of each as llama-perplexity counts. */
  readonly quality: { readonly whole: Quality | null; readonly halves: Quality };
  /** On the fastest kernels, and on plain simd128; null: not measured. */
  readonly speed: { readonly best: Speed; readonly plain: Speed | null } | null;
}

type Key = Pick<LabResult, 'model' | 'label' | 'windows' | 'context'>;

const same = (a: Key, b: Key): boolean => a.model === b.model && a.label === b.label && a.windows === b.windows && a.context === b.context;

export const formatResults = (results: readonly LabResult[]): string => results.map((result) => `${JSON.stringify(result)}\n`).join('');

/** Throws where a line is no result. */
export function parseResults(text: string): LabResult[] {
  return text.split('\n').flatMap((line, i) => {
    if (line === '') return [];
    const result = JSON.parse(line) as LabResult;
    if (typeof result.label !== 'string' || typeof result.quality?.halves?.perplexity !== 'number') throw new Error(`line ${i + 1} is no result of the lab`);
    return [result];
  });
}

/** A file with one line for each row, model and number of windows; written anew and renamed at each change. */
export class ResultFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  all(): LabResult[] {
    try {
      return parseResults(readFileSync(this.path, 'utf8'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw new Error(`Cannot read ${this.path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }

  get(key: Key): LabResult | null {
    return this.all().find((result) => same(result, key)) ?? null;
  }

  /** Takes the place of the row's earlier line, or comes last. */
  put(result: LabResult): void {
    const all = this.all();
    const at = all.findIndex((other) => same(other, result));
    if (at < 0) all.push(result);
    else all[at] = result;
    mkdirSync(dirname(this.path), { recursive: true });
    writeFileSync(`${this.path}.partial`, formatResults(all));
    renameSync(`${this.path}.partial`, this.path);
  }
}
