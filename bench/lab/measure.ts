import { join } from 'node:path';
import { resolveRecipe } from '../../src/surfaces/quantize/options.ts';
import { EMBEDDED } from '../../src/surfaces/adapters/local-models.ts';
import { digestOf } from '../../src/surfaces/adapters/evaluation/digest.ts';
import { modelIdentity } from '../../src/surfaces/adapters/evaluation/identity.ts';
import { thisMachine } from '../result.ts';
import { median } from '../timing.ts';
import { ggufSize } from './gguf-size.ts';
import { ggufAs, llamaQuality, llamaSpeed, type Llama } from './llama.ts';
import type { LabModel } from './models.ts';
import { CALIBRATION, pack, sizeOf } from './pack.ts';
import { baseOf, evaluate, type Text } from './quality.ts';
import type { LabResult, ResultFile } from './result.ts';
import type { LabRow } from './rows.ts';
import { speedOf } from './speed.ts';

/** What all rows of a model share. */
export interface Bench {
  readonly model: LabModel;
  readonly source: string;
  readonly text: Text;
  /** For containers, bases and unfinished figures of this model. */
  readonly folder: string;
  readonly build: string;
  /** Figures that other sources made count as well. */
  readonly keep: boolean;
  readonly speeds: boolean;
  readonly workers: number;
  readonly llama: Llama;
  readonly results: ResultFile;
}

/** How a row comes by its figures. */
interface Steps {
  readonly recipe: LabResult['recipe'];
  readonly quality: () => Promise<Pick<LabResult, 'size' | 'seconds' | 'timings' | 'quality'>>;
  readonly speed: () => Promise<NonNullable<LabResult['speed']>>;
}

type Making = Pick<LabResult, 'seconds' | 'timings'>;

/** Figures of a container that is there when `made` has run. */
function container({ model: { name }, source, text, folder, build, keep, workers }: Bench, label: string, directory: string, made: () => Promise<Making>): Pick<Steps, 'quality' | 'speed'> {
  return {
    async quality() {
      const { seconds, timings } = await made();
      const base = await baseOf(source, join(folder, `f32-${text.windows.length}x${text.context}.base`), text);
      const key = digestOf(name, await modelIdentity(directory), keep ? null : build, text.digest).slice(0, 16);
      const quality = await evaluate({ model: directory, base, text, work: join(folder, `${label}.figures.jsonl`), key, workers });
      return { size: await sizeOf(directory), seconds, timings, quality };
    },
    async speed() {
      await made();
      return speedOf(directory);
    },
  };
}

function stepsOf(bench: Bench, { label, subject }: LabRow): Steps {
  const { model, folder, source, build, keep, llama, text } = bench;
  if ('recipe' in subject) {
    const recipe = resolveRecipe(subject);
    const directory = join(folder, label);
    const digest = digestOf(recipe, model.file, CALIBRATION).slice(0, 16);
    return { recipe, ...container(bench, label, directory, () => pack(source, directory, recipe, { digest, build }, keep)) };
  }
  if ('embedded' in subject) return { recipe: null, ...container(bench, label, EMBEDDED, async () => ({ seconds: null, timings: {} })) };
  const file = (): Promise<string> => ggufAs(llama, source, subject.gguf);
  return {
    recipe: null,
    async quality() {
      const halves = await llamaQuality(llama, source, await file(), text);
      return { size: await ggufSize(await file()), seconds: null, timings: {}, quality: { whole: null, halves } };
    },
    speed: async () => ({ best: await llamaSpeed(llama, await file()), plain: null }),
  };
}

/** Measures what a row lacks, quality first; figures are kept as soon as they are there. Says what it did. */
export async function measure(bench: Bench, row: LabRow): Promise<string> {
  const { model, text, build, keep, speeds, results } = bench;
  const steps = stepsOf(bench, row);
  const digest = digestOf(steps.recipe ?? row.subject, model.file, text.digest).slice(0, 16);
  const key = { model: model.name, label: row.label, windows: text.windows.length, context: text.context };
  const done: string[] = [];
  let result = results.get(key);
  if (!result || result.digest !== digest || (!keep && result.build !== build)) {
    result = { ...key, recipe: steps.recipe, digest, build, machine: thisMachine(), ...(await steps.quality()), speed: null };
    results.put(result);
    done.push(`ratio ${(result.quality.whole ?? result.quality.halves).ratio.toFixed(4)} at ${result.size.bits.toFixed(2)} bits`);
  }
  if (speeds && !result.speed) {
    const speed = await steps.speed();
    results.put({ ...result, speed });
    done.push(`prefill ${median(speed.best.prefill).toFixed(0)} and decode ${median(speed.best.decode).toFixed(0)} tokens/s`);
  }
  return done.length > 0 ? done.join(', ') : 'is there already';
}
