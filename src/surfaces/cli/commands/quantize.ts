import { buildCommand } from '@stricli/core';
import { jsonLine, type CliContext } from '../context.ts';
import { jsonFlag, modelFlags, type JsonFlag, type ModelFlags } from '../flags.ts';
import { bytes, duration } from '../format.ts';
import { formats } from '../model-facts.ts';
import { withProgress } from '../open.ts';

interface Flags extends Pick<ModelFlags, 'kv'>, JsonFlag {
  readonly output: string;
  readonly recipe: string;
  readonly set?: readonly string[];
}

async function quantize(this: CliContext, flags: Flags, source: string): Promise<void> {
  const { stdout } = this.process;
  const engine = await this.engine();
  const start = this.now();
  const { recipe, kv, set, output: directory } = flags;
  const manifest = await withProgress(this, (options) => engine.pack(source, directory, { ...options, recipe, kv, set }));
  const ms = this.now() - start;
  const { blocks, output } = formats(manifest);
  stdout.write(flags.json
    ? jsonLine({ output: directory, bytes: manifest.bytes, kv: manifest.kv.bits, formats: { blocks, output }, ms })
    : `Wrote ${directory}: ${bytes(manifest.bytes)}, blocks ${blocks}, output ${output}, KV${manifest.kv.bits}, in ${duration(ms)}\n`);
}

export const quantizeCommand = buildCommand<Flags, [source: string], CliContext>({
  func: quantize,
  parameters: {
    flags: {
      output: { kind: 'parsed', parse: String, placeholder: 'DIR', brief: 'Directory for the container' },
      recipe: { kind: 'parsed', parse: String, default: 'w4a8', placeholder: 'NAME|FILE', brief: 'Recipe, or a JSON file with one' },
      kv: modelFlags.kv,
      set: { kind: 'parsed', parse: String, optional: true, variadic: true, placeholder: 'FIELD=VALUE', brief: 'Change a field of the recipe, such as split.0.share=0.5 (repeatable)' },
      ...jsonFlag,
    },
    aliases: { o: 'output' },
    positional: { kind: 'tuple', parameters: [{ parse: String, placeholder: 'SRC', brief: 'A .gguf file or a safetensors directory' }] },
  },
  docs: { brief: 'Pack a checkpoint into a container', customUsage: ['SRC -o DIR [--recipe NAME|FILE] [--kv 4|8|32] [--set FIELD=VALUE]...'] },
});
