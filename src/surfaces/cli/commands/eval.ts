import { buildCommand } from '@stricli/core';
import type { LayerErrors } from '../../../evaluate/layers/errors.ts';
import { jsonLine, type CliContext } from '../context.ts';
import { evaluateLayers, layersTables } from '../eval/layers.ts';
import { Session, type EvalFlags } from '../eval/session.ts';
import { storeBase, storedLine } from '../eval/store.ts';
import { evaluateTasks, tasksTable, type TaskFigures } from '../eval/tasks.ts';
import { evaluateText, type TextFigures } from '../eval/text.ts';
import { UsageError } from '../exit.ts';
import { jsonFlag, modelArgument, modelFlags } from '../flags.ts';
import { fileList, integerIn } from '../parse.ts';
import { divergenceReport, finalEstimate } from '../ppl-lines.ts';

/** Throws where flags do not go together. */
function checkFlags(flags: EvalFlags): void {
  const { text, tasks, base, baseFile, saveBase, baseTop, layers, svg, limit } = flags;
  const refuse = (why: string): never => {
    throw new UsageError(why);
  };
  if (text === undefined && tasks === undefined) refuse('there is nothing to evaluate: --text or --tasks is needed');
  if (base !== undefined && baseFile !== undefined) refuse('--base and --base-file exclude each other');
  if (text === undefined && (base ?? baseFile ?? saveBase ?? flags.windows) !== undefined) refuse('--base, --base-file, --save-base and --windows need --text');
  if (saveBase !== undefined && (base ?? baseFile ?? tasks) !== undefined) refuse('--save-base excludes --base, --base-file and --tasks');
  if (baseTop !== undefined && saveBase === undefined) refuse('--base-top needs --save-base');
  if (layers && (text === undefined || base === undefined)) refuse('--layers needs --text and --base');
  if (layers && (saveBase ?? flags.windows) !== undefined) refuse('--layers excludes --save-base and --windows');
  if (svg !== undefined && !layers) refuse('--svg needs --layers');
  if (limit !== undefined && tasks === undefined) refuse('--limit needs --tasks');
}

function textReport({ perplexity, error, basePerplexity, divergence }: TextFigures): string {
  return divergence ? divergenceReport(basePerplexity!, divergence, true) : finalEstimate(perplexity, error);
}

async function evaluate(session: Session): Promise<void> {
  const { flags, context: { process: { stdout } } } = session;
  if (flags.saveBase !== undefined) {
    const stored = await storeBase(session);
    stdout.write(flags.json ? jsonLine(stored) : storedLine(stored));
    return;
  }
  const told: { model: string; text?: TextFigures; layers?: LayerErrors; tasks?: TaskFigures[] } = { model: session.name };
  const print = (report: string): unknown => !flags.json && stdout.write(report);
  if (flags.layers) {
    told.layers = await evaluateLayers(session);
    print(layersTables(told.layers, flags.verbose));
  } else if (flags.text !== undefined) {
    told.text = await evaluateText(session);
    print(textReport(told.text));
  }
  if (flags.tasks) {
    told.tasks = await evaluateTasks(session);
    print(tasksTable(told.tasks));
  }
  if (flags.json) stdout.write(jsonLine(told));
}

async function run(this: CliContext, flags: EvalFlags, model?: string): Promise<void> {
  checkFlags(flags);
  const session = await Session.open(this, flags, model ?? null);
  try {
    await evaluate(session);
  } catch (error) {
    session.stopped();
    throw error;
  }
  session.finish();
}

const optional = { kind: 'parsed', optional: true } as const;

export const evalCommand = buildCommand<EvalFlags, [model?: string], CliContext>({
  func: run,
  parameters: {
    flags: {
      text: { ...optional, parse: String, placeholder: 'FILE', brief: 'Text file, taken as one string: perplexity' },
      windows: { ...optional, parse: integerIn(1), placeholder: 'N', brief: 'Most windows of the text' },
      base: { ...optional, parse: String, placeholder: 'MODEL', brief: 'Compare with this model in f32: KL divergence, same top token' },
      baseFile: { ...optional, parse: String, placeholder: 'FILE', brief: 'Compare with what --save-base wrote' },
      saveBase: { ...optional, parse: String, placeholder: 'FILE', brief: 'Write the model\'s log-probabilities, in f32 unless --recipe says otherwise' },
      baseTop: { ...optional, parse: integerIn(1), placeholder: 'K', brief: 'Write only those of the K likeliest tokens and the sum of the others' },
      tasks: { ...optional, parse: fileList, placeholder: 'FILE,...', brief: 'Multiple-choice questions, JSON lines: acc, acc_norm' },
      limit: { ...optional, parse: integerIn(1), placeholder: 'N', brief: 'Most questions of each task' },
      layers: { kind: 'boolean', default: false, withNegated: false, brief: 'What each linear and the KV cache lose against --base' },
      svg: { ...optional, parse: String, placeholder: 'FILE', brief: 'Also draw that' },
      resume: { ...optional, parse: String, placeholder: 'FILE', brief: 'Keep finished windows and questions here, and go on from them' },
      workers: { ...optional, parse: integerIn(1), placeholder: 'N', brief: 'Windows or questions at once, each with its own copy of the models; default: one a thread' },
      verbose: { kind: 'boolean', default: false, withNegated: false, brief: 'Figures of each window, all rows of --layers' },
      ...modelFlags, ...jsonFlag,
    },
    aliases: { f: 'text', c: 'context', t: 'threads' },
    positional: { kind: 'tuple', parameters: [modelArgument] },
  },
  docs: {
    brief: 'Quality: perplexity, divergence from f32, multiple choice, errors by layer',
    customUsage: [
      '[MODEL] -f FILE [-c 2048] [--windows N] [--base MODEL | --base-file FILE]', '[MODEL] --tasks FILE.jsonl,... [--limit N]',
      'SRC -f FILE --save-base FILE [--windows N] [--base-top K]', '[MODEL] -f FILE --base MODEL --layers [--svg FILE]',
    ],
    fullDescription: 'Figures of llama-perplexity --kl-divergence and of lm-evaluation-harness; docs/evaluation.md has the conventions and file formats.',
  },
});
