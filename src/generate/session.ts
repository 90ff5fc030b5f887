import { TetradError } from '../core/errors.ts';
import { Random } from '../core/random.ts';
import type { ChatMessage, ChatOptions } from '../tokenizer/chat-template.ts';
import type { Engine, GenerateOptions } from './engine.ts';
import type { Generation, GenerationResult } from './generation.ts';
import { resolveSampling, type SamplingOptions } from './sampling-options.ts';
import { writeBlob } from './session-blob.ts';
import type { SessionState } from './session-state.ts';

/** `seed`: where the session's random numbers begin; default: another place each time. */
export type SessionOptions = Pick<SamplingOptions, 'seed'>;

/** What a turn begins with: its messages have no answer yet. */
interface Beginning extends Pick<SessionState, 'messages'> {
  readonly prompt: readonly number[];
  readonly completion: readonly number[];
}

/**
 * A text or a conversation with a model. A turn that fails or is aborted leaves it as it was; one whose reader stops early keeps what was read. Random numbers go
 * on from turn to turn unless a turn has a seed. It holds no memory of the model's, so there is nothing to dispose of.
 */
export class Session {
  readonly #engine: Engine;
  #state: SessionState;

  constructor(engine: Engine, state: SessionState) {
    this.#engine = engine;
    this.#state = state;
  }

  static begin(engine: Engine, options: SessionOptions): Session {
    const { seed } = resolveSampling({ seed: options.seed }, engine.sequence.model.vocab);
    return new Session(engine, { tokens: [], chosen: 0, messages: null, seed, random: Random.seeded(seed).state });
  }

  /** Ids of all so far. */
  get tokens(): readonly number[] {
    return this.#state.tokens;
  }

  /** Turns of the conversation so far. */
  get messages(): readonly ChatMessage[] {
    return this.#state.messages ?? [];
  }

  /**
   * Adds to the session's text, nothing by default, and continues it. A stop string that ended a turn stays in the text. In several turns without further text
   * come the tokens that one turn would give. See `Model.generate`.
   */
  generate(prompt: string | readonly number[] = '', options: GenerateOptions = {}): Generation {
    return this.#turn(options, ({ tokens, chosen, messages }) => {
      if (messages) throw new TetradError('invalid_argument', 'Cannot continue a text: the session is a conversation, needed is chat() or another session');
      const added = this.#engine.encode(prompt, options, tokens.length === 0);
      return { prompt: [...tokens, ...added], completion: added.length === 0 && chosen > 0 ? tokens.slice(-chosen) : [], messages: null };
    });
  }

  /**
   * Adds messages, a text being the user's, and gives the assistant's answer by the model's chat template. What the cache has of the conversation is not run again.
   * See `Model.chat`.
   */
  chat(message: string | ChatMessage | readonly ChatMessage[], options: GenerateOptions & Pick<ChatOptions, 'variables'> = {}): Generation {
    return this.#turn(options, ({ tokens, messages }) => {
      if (!messages && tokens.length > 0) throw new TetradError('invalid_argument', 'Cannot chat: the session is a text, needed is generate() or another session');
      const all = [...(messages ?? []), ...copied(message)];
      return { prompt: this.#engine.template.encode(all, { variables: options.variables }), completion: [], messages: all };
    });
  }

  /**
   * The session as bytes, for `Model.restore` of the same model on whatever runtime: what its cache holds is in it, and is computed again first where another
   * generation has taken its place. Rejects with `busy` while a generation runs, and with `disposed`.
   */
  async save(): Promise<Uint8Array> {
    const { sequence } = this.#engine;
    const model = sequence.acquire();
    try {
      await sequence.hold(this.#state.tokens);
      return await writeBlob(this.#state, model);
    } finally {
      sequence.release();
    }
  }

  #turn(options: GenerateOptions, start: (state: SessionState) => Beginning): Generation {
    return this.#engine.generation(options, () => {
      const { seed } = resolveSampling({ seed: options.seed ?? this.#state.seed }, this.#engine.sequence.model.vocab);
      const { prompt, completion, messages } = start(this.#state);
      const random = options.seed === undefined ? new Random(this.#state.random) : Random.seeded(seed);
      const settled = ({ text, tokens }: GenerationResult): void => {
        this.#state = {
          tokens: [...prompt, ...tokens], chosen: completion.length + tokens.length,
          messages: messages && [...messages, { role: 'assistant', content: text }], seed, random: random.state,
        };
      };
      return { prompt, completion, seed, random, settled };
    });
  }
}

/** A turn's messages as they are when they have been saved. */
function copied(message: string | ChatMessage | readonly ChatMessage[]): ChatMessage[] {
  const list = typeof message === 'string' ? [{ role: 'user', content: message }] : Array.isArray(message) ? message : [message];
  try {
    return JSON.parse(JSON.stringify(list)) as ChatMessage[];
  } catch (cause) {
    throw new TetradError('invalid_argument', 'Cannot chat: a message holds something else than JSON', { cause });
  }
}
