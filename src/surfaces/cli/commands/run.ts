import { buildCommand } from '@stricli/core';
import type { Generation } from '../../../generate/generation.ts';
import type { Model } from '../../../generate/model.ts';
import { jsonLine, readAll, type CliContext } from '../context.ts';
import { generateOptions, generationFlags, jsonFlag, modelArgument, modelFlags, systemMessages, type GenerationFlags, type JsonFlag, type ModelFlags } from '../flags.ts';
import { withProgress } from '../open.ts';
import { promptFrom, runTarget } from '../prompt.ts';
import { resultJson, statistics } from '../stats.ts';
import { notes } from '../threads.ts';

interface Flags extends GenerationFlags, ModelFlags, JsonFlag {
  readonly raw: boolean;
  readonly verbose: boolean;
}

/** The chat template is used where the model has one, unless `--raw` asks for plain continuation. */
function generation(model: Model, prompt: string, flags: Flags, signal: AbortSignal): Generation {
  const options = generateOptions(flags, signal);
  if (flags.raw || model.tokenizer.data.chatTemplate === null) return model.generate(prompt, options);
  return model.chat([...systemMessages(flags), { role: 'user', content: prompt }], options);
}

async function run(this: CliContext, flags: Flags, first?: string, second?: string): Promise<void> {
  const { stdout, stderr } = this.process;
  const target = runTarget(first, second);
  const prompt = await promptFrom(target.prompt, this.stdin, () => readAll(this.stdin));
  const { load } = await this.engine();
  const start = this.now();
  await using model = await withProgress(this, (options) => load(target.model, { ...flags, ...options, onNote: notes(this) }));
  const loadMs = this.now() - start;
  const output = generation(model, prompt, flags, this.signal);
  if (!flags.json) {
    for await (const piece of output) stdout.write(piece);
    stdout.write('\n');
  }
  const result = await output.result;
  if (flags.json) stdout.write(jsonLine(resultJson(result, loadMs)));
  if (flags.verbose) stderr.write(`\n${statistics(result, loadMs)}`);
}

export const runCommand = buildCommand<Flags, [first?: string, second?: string], CliContext>({
  func: run,
  parameters: {
    flags: {
      ...generationFlags, ...modelFlags, ...jsonFlag,
      raw: { kind: 'boolean', default: false, withNegated: false, brief: 'Continue the prompt as it is, without the chat template' },
      verbose: { kind: 'boolean', default: false, withNegated: false, brief: 'Print times and rates on stderr' },
    },
    aliases: { n: 'maxTokens' },
    positional: {
      kind: 'tuple',
      parameters: [modelArgument, { parse: String, optional: true, placeholder: 'PROMPT', brief: 'Prompt; default: standard input' }],
    },
  },
  docs: {
    brief: 'Answer one prompt',
    customUsage: ['[MODEL] [PROMPT] [flags]'],
    fullDescription: 'Streams the answer to one prompt. A single argument is the prompt, unless it is a path. Text goes to stdout, all else to stderr.',
  },
});
