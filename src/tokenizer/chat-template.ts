import { Template } from '@huggingface/jinja';
import { TetradError } from '../core/errors.ts';
import { Guard } from './chat-guard.ts';
import type { Tokenizer } from './tokenizer.ts';

/** One turn. Further fields (`name`, `tool_calls`) reach the template as they are. */
export interface ChatMessage {
  /** `system`, `user`, `assistant`, or what else the template knows. */
  readonly role: string;
  readonly content: string;
  readonly [field: string]: unknown;
}

export interface ChatOptions {
  /** End with the words that open the assistant's turn. Default true. */
  readonly addGenerationPrompt?: boolean | undefined;
  /** Further variables of the template, such as `tools` or `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
}

/** A model's chat template: Jinja as transformers renders it (`trim_blocks`, `lstrip_blocks`). */
export class ChatTemplate {
  readonly #template: Template;
  readonly #tokenizer: Tokenizer;
  readonly #specials: readonly string[];

  /** Throws `no_template` if the model has none, `unsupported_model` if it cannot be parsed. */
  constructor(tokenizer: Tokenizer) {
    const source = tokenizer.data.chatTemplate;
    if (source === null) throw new TetradError('no_template', 'Cannot chat: the model has no chat template, needed is an instruct model');
    this.#tokenizer = tokenizer;
    this.#specials = tokenizer.specialTexts();
    try {
      this.#template = new Template(source);
    } catch (cause) {
      throw new TetradError('unsupported_model', `Cannot parse the chat template: ${messageOf(cause)}`, { cause });
    }
  }

  /** The conversation as text. Throws `invalid_argument` where the template refuses it, for instance for two user turns in a row. */
  render(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
    checkMessages(messages);
    const { bos, eos } = this.#tokenizer.data;
    const textOf = (id: number | null | undefined): string => this.#tokenizer.textOf(id ?? -1) ?? '';
    try {
      return this.#template.render({
        bos_token: textOf(bos), eos_token: textOf(eos[0]), ...options.variables,
        messages, add_generation_prompt: options.addGenerationPrompt ?? true,
      });
    } catch (cause) {
      throw new TetradError('invalid_argument', `Cannot render the conversation: ${messageOf(cause)}`, { cause });
    }
  }

  /** The conversation as ids. Control tokens that the template writes are parsed; the same text inside messages or variables stays text. */
  encode(messages: readonly ChatMessage[], options: ChatOptions = {}): number[] {
    checkMessages(messages);
    const guard = new Guard(this.#specials, [messages, options.variables, this.#tokenizer.data.chatTemplate]);
    const rendered = this.render(
      messages.map((message) => ({ ...guard.protect(message), role: message.role })),
      { ...options, variables: guard.protect(options.variables ?? {}) },
    );
    const parts = this.#tokenizer.split(rendered).map((part) => (typeof part === 'string' ? guard.restore(part) : part));
    return this.#tokenizer.encodeParts(parts);
  }
}

function checkMessages(messages: readonly ChatMessage[]): void {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new TetradError('invalid_argument', 'Cannot render the conversation: there are no messages, needed is one or more');
  }
  messages.forEach((message: unknown, i) => {
    const { role, content } = (message ?? {}) as Partial<ChatMessage>;
    if (typeof role !== 'string' || !/^[A-Za-z_]+$/.test(role)) {
      throw new TetradError('invalid_argument', `Cannot render the conversation: message ${i} has the role ${JSON.stringify(role)}, needed is a word`);
    }
    if (typeof content !== 'string') {
      throw new TetradError('invalid_argument', `Cannot render the conversation: the content of message ${i} is not a string`);
    }
  });
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
