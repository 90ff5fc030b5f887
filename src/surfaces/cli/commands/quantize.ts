import { buildCommand } from '@stricli/core';
import type { Timings } from '../../../core/stopwatch.ts';
import { bitsPerWeight } from '../../../models/size.ts';
import { jsonLine, type CliContext } from '../context.ts';
import { readText } from '../eval/inputs.ts';
import { jsonFlag, modelFlags, type JsonFlag, type ModelFlags } from '../flags.ts';
import { bytes, duration } from '../format.ts';
import { formats } from '../model-facts.ts';
import { withProgress } from '../open.ts';
import { integerIn } from '../parse.ts';

interface Flags extends Pick<ModelFlags, 'kv' | 'threads' | 'offline'>, JsonFlag {
  readonly output: string;
  readonly recipe: string;
  readonly set?: readonly string[];
  readonly calibration?: string;
  readonly sequences?: number;
  readonly length?: number;
  readonly seed?: number;
}

/** `rounding 41 s, moments 87 s`, the longest first. */
const spent = (timings: Timings): string =>
  Object.entries(timings).filter(([, seconds]) => seconds >= 0.1).sort(([, a], [, b]) => b - a).map(([step, seconds]) => `${step} ${duration(seconds * 1000)}`).join(', ');

async function quantize(this: CliContext, flags: Flags, source: string): Promise<void> {
  const { stdout } = this.process;
  const engine = await this.engine();
  const start = this.now();
  const { recipe, kv, set, output: directory, threads, offline, sequences, length, seed } = flags;
  const calibration = flags.calibration === undefined ? undefined : await readText(flags.calibration);
  let timings: Timings = {};
  const manifest = await withProgress(this, (options) => engine.pack(source, directory, {
    ...options, recipe, kv, set, threads, offline, calibration, sequences, length, seed, onTimings: (found) => (timings = found),
  }));
  const ms = this.now() - start;
  const { blocks, output } = formats(manifest);
  const bits = bitsPerWeight(manifest);
  const where = spent(timings);
  stdout.write(flags.json
    ? jsonLine({ output: directory, bytes: manifest.bytes, bits_per_weight: bits, kv: manifest.kv.bits, formats: { blocks, output }, ms, timings })
    : `Wrote ${directory}: ${bytes(manifest.bytes)}, blocks ${blocks} (${bits.toFixed(2)} bits a weight), output ${output}, KV${manifest.kv.bits}, in ${duration(ms)}${where && ` (${where})`}\n`);
}

export const quantizeCommand = buildCommand<Flags, [source: string], CliContext>({
  func: quantize,
  parameters: {
    flags: {
      output: { kind: 'parsed', parse: String, placeholder: 'DIR', brief: 'Directory for the container' },
      recipe: { kind: 'parsed', parse: String, default: 'w4a8', placeholder: 'NAME|FILE', brief: 'Recipe, or a JSON file with one' },
      kv: modelFlags.kv,
      set: { kind: 'parsed', parse: String, optional: true, variadic: true, placeholder: 'FIELD=VALUE', brief: 'Change a field of the recipe, such as split.0.share=0.5 (repeatable)' },
      calibration: { kind: 'parsed', parse: String, optional: true, placeholder: 'FILE', brief: 'Text for recipes that look at activations; default: the library\'s own' },
      sequences: { kind: 'parsed', parse: integerIn(1, 4096), optional: true, placeholder: 'N', brief: 'Sequences of the text to calibrate with' },
      length: { kind: 'parsed', parse: integerIn(16, 65536), optional: true, placeholder: 'N', brief: 'Tokens of each sequence' },
      seed: { kind: 'parsed', parse: integerIn(0), optional: true, placeholder: 'N', brief: 'Which sequences are taken from a longer text' },
      threads: modelFlags.threads, offline: modelFlags.offline,
      ...jsonFlag,
    },
    aliases: { o: 'output' },
    positional: { kind: 'tuple', parameters: [{ parse: String, placeholder: 'SRC', brief: 'A .gguf file or a safetensors directory, by path, https://ADDRESS or hf:OWNER/REPO[:FILE]' }] },
  },
  docs: { brief: 'Pack a checkpoint into a container', customUsage: ['SRC -o DIR [--recipe NAME|FILE] [--kv 4|8|32] [--set FIELD=VALUE]... [--calibration FILE]'] },
});
