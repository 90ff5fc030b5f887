import { Model } from '../../src/generate/model.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { createHandler, type Handler, type HandlerOptions } from '../../src/surfaces/http/handler.ts';
import { BYTE_VOCAB, byteTokenizer, FakeModel } from '../generate/fake-model.ts';

export const NAME = 'fake';

export interface FakeService {
  readonly handler: Handler;
  readonly fake: FakeModel;
  readonly model: Model;
  /** What `onError` heard. */
  readonly errors: unknown[];
  /** Passes over the model so far. */
  readonly passes: () => number;
}

/** Says `text` over and over, from the prompt's length on: the letter after n tokens is the n-th. The clock stands still, so other work gets a turn after each token. */
export function fakeService({ text = 'abcdefghijklmnopqrstuvwxyz', context = 1e6, tokenizer = byteTokenizer(), ...options }: Partial<HandlerOptions> & {
  text?: string | readonly number[]; context?: number; tokenizer?: ReturnType<typeof byteTokenizer>;
} = {}): FakeService {
  const fake = new FakeModel(BYTE_VOCAB, context, typeof text === 'string' ? [...new TextEncoder().encode(text)] : text);
  const model = new Model({ tokens: fake, tokenizer, config: { arch: 'llama' } as ModelConfig, kernels: 'scalar', threads: 1, estimate: null, now: () => 0 });
  const errors: unknown[] = [];
  const handler = createHandler({ name: NAME, model: async () => model, onError: (error) => errors.push(error), ...options });
  return { handler, fake, model, errors, passes: () => fake.ran.length };
}

export const post = (path: string, body: unknown, init: RequestInit = {}): Request =>
  new Request(`http://tetrad.test${path}`, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), ...init });

export const get = (path: string, method = 'GET'): Request => new Request(`http://tetrad.test${path}`, { method });

/** The data of server-sent events. */
export const eventsOf = (text: string): string[] => text.split('\n\n').slice(0, -1).map((event) => event.replace(/^data: /, ''));

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** Resolves when `condition` holds, asked after each turn of other work. */
export async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 5000; !condition(); ) {
    if (Date.now() > end) throw new Error('waited for 5 s');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
