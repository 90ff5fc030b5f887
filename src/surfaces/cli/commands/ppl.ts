import { buildCommand } from '@stricli/core';
import { compare, type Divergence } from '../../../evaluate/divergence.ts';
import { evaluatorOf } from '../../../evaluate/evaluator.ts';
import { perplexity } from '../../../evaluate/perplexity.ts';
import type { WindowOptions } from '../../../evaluate/windows.ts';
import { PAGE } from '../../../formats/descriptor.ts';
import type { Decoder } from '../../../runtime/decoder.ts';
import { Tokenizer } from '../../../tokenizer/tokenizer.ts';
import { jsonLine, type CliContext } from '../context.ts';
import { DEFAULT_CONTEXT, EXACT, readText } from '../eval/inputs.ts';
import { jsonFlag, modelArgument, modelFlags, type JsonFlag, type ModelFlags } from '../flags.ts';
import { withProgress } from '../open.ts';
import { integerIn } from '../parse.ts';
import { notes } from '../threads.ts';
import { divergenceReport, finalEstimate, runningFigure, standardError } from '../ppl-lines.ts';

interface Flags extends ModelFlags, JsonFlag {
  readonly file: string;
  readonly windows?: number;
  readonly base?: string;
}

async function openDecoder(context: CliContext, source: string | null, flags: ModelFlags, tokens: number, onNote: (note: string) => void): Promise<Decoder> {
  const engine = await context.engine();
  return withProgress(context, async (options) => {
    const image = await engine.openImage(source, { ...options, recipe: flags.recipe, kv: flags.kv, offline: flags.offline });
    try {
      const limit = Math.min(tokens, image.manifest.config.context);
      return await engine.decoder(image, { ...options, context: limit, kv: flags.kv, threads: flags.threads, onNote, logitRows: PAGE });
    } finally {
      await image.close();
    }
  });
}

/** One string with `bos` first where the model's raw prompts have it: the convention of GPTQ. */
function tokenise(decoder: Decoder, text: string): number[] {
  const { tokenizer } = decoder.manifest;
  return new Tokenizer(tokenizer).encode(text, { bos: tokenizer.addBos });
}

async function ppl(this: CliContext, flags: Flags, model?: string): Promise<void> {
  const { stdout, stderr } = this.process;
  const text = await readText(flags.file);
  const tokens = flags.context ?? DEFAULT_CONTEXT;
  const onNote = notes(this);
  await using decoder = await openDecoder(this, model ?? null, flags, tokens, onNote);
  const ids = tokenise(decoder, text);
  const own = evaluatorOf(decoder);
  const options: WindowOptions = { context: Math.min(tokens, decoder.context), windows: flags.windows, signal: this.signal };
  const running = ({ window, perplexity: figure }: { window: number; perplexity: number }): void => void stderr.write(runningFigure(window, figure));
  const settings = { context: options.context, tokens: ids.length, kv: flags.kv ?? decoder.manifest.kv.bits, path: decoder.backend.path };

  if (flags.base === undefined) {
    const result = await perplexity(own, ids, { ...options, onWindow: running });
    stderr.write('\n');
    const error = standardError(result.perplexity, result.windows);
    stdout.write(flags.json ? jsonLine({ perplexity: result.perplexity, error, windows: result.windows, ...settings }) : finalEstimate(result.perplexity, error));
    return;
  }
  await using baseDecoder = await openDecoder(this, flags.base, { ...flags, ...EXACT }, tokens, onNote);
  const base = evaluatorOf(baseDecoder);
  const onWindow = ({ window }: { window: number }, [figure]: readonly Divergence[]): void => running({ window, perplexity: figure!.perplexity });
  const { basePerplexity, candidates: [figures] } = await compare(base, [own], ids, { ...options, onWindow });
  stderr.write('\n');
  stdout.write(flags.json ? jsonLine({ basePerplexity, ...figures!, ...settings }) : divergenceReport(basePerplexity, figures!));
}

export const pplCommand = buildCommand<Flags, [model?: string], CliContext>({
  func: ppl,
  parameters: {
    flags: {
      file: { kind: 'parsed', parse: String, placeholder: 'FILE', brief: 'Text file, taken as one string' },
      windows: { kind: 'parsed', parse: integerIn(1), optional: true, placeholder: 'N', brief: 'Most windows to evaluate' },
      base: { kind: 'parsed', parse: String, optional: true, placeholder: 'MODEL', brief: 'Also compare with this model: KL divergence, same top token' },
      ...modelFlags, ...jsonFlag,
    },
    aliases: { f: 'file', c: 'context' },
    positional: { kind: 'tuple', parameters: [modelArgument] },
  },
  docs: {
    brief: 'Perplexity of a text, in windows from its start',
    customUsage: ['[MODEL] -f FILE [-c 2048] [--windows N] [--base MODEL]'],
    fullDescription: 'Perplexity in the GPTQ convention: windows of --context tokens (2048), each run from position 0; exp of the mean of the window means.',
  },
});
