import type { Model } from '../../generate/model.ts';
import type { ChatMessage } from '../../tokenizer/chat-template.ts';
import { jsonLine, type CliContext } from './context.ts';
import { generateOptions, systemMessages, type GenerationFlags } from './flags.ts';
import { runCommand, type ChatState } from './repl.ts';
import { resultJson, statistics } from './stats.ts';

export interface ConversationOptions {
  readonly settings: GenerationFlags;
  readonly json: boolean;
  readonly verbose: boolean;
  /** Told by the figures. */
  readonly loadMs: number;
}

/** Turns of a user and a model, under settings that may change. */
export class Conversation {
  readonly #context: CliContext;
  readonly #model: Model;
  readonly #options: ConversationOptions;
  readonly #state: ChatState;
  readonly #messages: ChatMessage[] = [];
  #running: AbortController | null = null;

  constructor(context: CliContext, model: Model, options: ConversationOptions) {
    this.#context = context;
    this.#model = model;
    this.#options = options;
    this.#state = { settings: options.settings, clear: false, done: false };
  }

  get done(): boolean {
    return this.#state.done;
  }

  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  /** Runs `/name rest`. */
  command(name: string, rest: string): void {
    this.#context.process.stderr.write(runCommand(this.#state, name, rest));
    if (this.#state.clear) this.#messages.length = 0;
    this.#state.clear = false;
  }

  /** Ends the running answer; false if there is none. */
  stop(): boolean {
    this.#running?.abort();
    return this.#running !== null;
  }

  /** Answers a message. A stopped answer stays in the conversation as far as it came; after an error the message is forgotten. */
  async answer(content: string): Promise<void> {
    const { process, signal } = this.#context;
    const { json, verbose, loadMs } = this.#options;
    const running = (this.#running = new AbortController());
    const message: ChatMessage = { role: 'user', content };
    const options = generateOptions(this.#state.settings, AbortSignal.any([signal, running.signal]));
    const output = this.#model.chat([...systemMessages(this.#state.settings), ...this.#messages, message], options);
    let reply = '';
    try {
      for await (const piece of output) {
        reply += piece;
        if (!json) process.stdout.write(piece);
      }
      if (!json) process.stdout.write('\n');
      const result = await output.result;
      if (json) process.stdout.write(jsonLine(resultJson(result, loadMs)));
      if (verbose) process.stderr.write(`\n${statistics(result, loadMs)}`);
    } catch (error) {
      if (!running.signal.aborted || signal.aborted) throw error;
      process.stderr.write('\n');
    } finally {
      this.#running = null;
    }
    this.#messages.push(message, { role: 'assistant', content: reply });
  }
}
