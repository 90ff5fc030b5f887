import { createInterface, type Interface } from 'node:readline';
import { buildCommand } from '@stricli/core';
import { TetradError } from '../../../core/errors.ts';
import type { CliContext } from '../context.ts';
import { Conversation } from '../conversation.ts';
import { messageOf } from '../exit.ts';
import { generationFlags, jsonFlag, modelArgument, modelFlags, type GenerationFlags, type JsonFlag, type ModelFlags } from '../flags.ts';
import { withProgress } from '../open.ts';
import { LineReader } from '../repl.ts';
import { notes } from '../threads.ts';

interface Flags extends GenerationFlags, ModelFlags, JsonFlag {
  readonly verbose: boolean;
}

const PROMPT = '>>> ';
const CONTINUED = '... ';

/** Only the flags that are given, so that `/set` can tell them from defaults. */
function settingsOf({ maxTokens, temp, topP, topK, minP, seed, stop, system, speculate }: Flags): GenerationFlags {
  const entries = Object.entries({ maxTokens, temp, topP, topK, minP, seed, stop, system, speculate });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** On a terminal Ctrl-C ends the answer, or else tells how to leave; Ctrl-D ends the input. */
function listen(lines: Interface, reader: LineReader, conversation: Conversation, context: CliContext): void {
  lines.on('SIGINT', () => {
    if (conversation.stop()) return;
    reader.reset();
    context.process.stderr.write('\nUse Ctrl-D or /bye to leave.\n');
    lines.setPrompt(PROMPT);
    lines.prompt();
  });
  context.signal.addEventListener('abort', () => lines.close());
}

/** Reads entries until the end of input or `/bye`. On a terminal an error is told and the conversation goes on. */
async function converse(context: CliContext, conversation: Conversation): Promise<void> {
  const { stdin, signal } = context;
  const { stderr } = context.process;
  const terminal = stdin.isTTY === true && stderr.isTTY === true;
  const lines = createInterface({ input: stdin, ...(terminal && { output: stderr, terminal, historySize: 1000, prompt: PROMPT }) });
  const reader = new LineReader();
  const input = lines[Symbol.asyncIterator]();
  listen(lines, reader, conversation, context);
  if (terminal) {
    stderr.write('Type a message, /help for commands, /bye to leave.\n');
    lines.prompt();
  }
  for await (const line of input) {
    const entry = reader.push(line);
    try {
      if (entry.kind === 'command') conversation.command(entry.name, entry.rest);
      if (entry.kind === 'message') await conversation.answer(entry.text);
    } catch (error) {
      if (!terminal || signal.aborted || !TetradError.is(error)) throw error;
      stderr.write(`Error: ${messageOf(error)}\n`);
    }
    if (conversation.done) break;
    if (!terminal) continue;
    lines.setPrompt(entry.kind === 'more' ? CONTINUED : PROMPT);
    lines.prompt();
  }
  lines.close();
  if (terminal && !conversation.done) stderr.write('\n');
  signal.throwIfAborted();
}

async function chat(this: CliContext, flags: Flags, source?: string): Promise<void> {
  const { load } = await this.engine();
  const start = this.now();
  await using model = await withProgress(this, (options) => load(source ?? null, { ...flags, ...options, onNote: notes(this) }));
  if (model.tokenizer.data.chatTemplate === null) {
    throw new TetradError('no_template', `Cannot chat with ${source}: it has no chat template, needed is an instruct model; tetrad run continues text with any model`);
  }
  const { json, verbose } = flags;
  await converse(this, new Conversation(this, model, { settings: settingsOf(flags), json, verbose, loadMs: this.now() - start }));
}

export const chatCommand = buildCommand<Flags, [model?: string], CliContext>({
  func: chat,
  parameters: {
    flags: {
      ...generationFlags, ...modelFlags, ...jsonFlag,
      verbose: { kind: 'boolean', default: false, withNegated: false, brief: 'Print times and rates of each answer on stderr' },
    },
    positional: { kind: 'tuple', parameters: [modelArgument] },
  },
  docs: {
    brief: 'Talk with a model',
    customUsage: ['[MODEL] [flags]'],
    fullDescription: 'A conversation on the terminal. Piped input is one message a line; with --json each answer is one JSON value on a line.',
  },
});
