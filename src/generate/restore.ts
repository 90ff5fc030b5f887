import { canonicalJson } from '../core/canonical-json.ts';
import { TetradError } from '../core/errors.ts';
import type { Engine } from './engine.ts';
import { cachedTokens, readBlob } from './session-blob.ts';
import { Session } from './session.ts';
import type { TokenModel } from './token-model.ts';

const refuse = (code: 'session_mismatch' | 'context_overflow' | 'invalid_file', problem: string): TetradError =>
  new TetradError(code, `Cannot restore the session: ${problem}`);

/** Throws where a model cannot take over these tokens and their cache. */
function check(tokens: readonly number[], kv: object, cache: Uint8Array, model: TokenModel): void {
  const [found, needed] = [canonicalJson(kv), canonicalJson(model.kv)];
  if (found !== needed) throw refuse('session_mismatch', `its KV cache is ${found}, the model's is ${needed}`);
  const cached = cachedTokens(tokens);
  if (cached > model.context) throw refuse('context_overflow', `it has ${tokens.length} tokens, the context takes ${model.context}`);
  const foreign = tokens.find((id) => id >= model.vocab);
  if (foreign !== undefined) throw refuse('invalid_file', `it holds token ${foreign}, the vocabulary has ${model.vocab}`);
  const bytes = model.cacheBytes(cached);
  if (cache.length !== bytes) throw refuse('invalid_file', `its cache has ${cache.length} bytes, needed are ${bytes}`);
}

/** The session that a blob holds, with its cache in the place of what the model's held. */
export async function restoreSession(engine: Engine, blob: Uint8Array): Promise<Session> {
  const saved = await readBlob(blob);
  const { sequence } = engine;
  const own = await sequence.model.digest();
  if (saved.digest !== own) throw refuse('session_mismatch', `it is of the model ${saved.digest}, this one is ${own}`);
  const { tokens } = saved.state;
  const model = sequence.acquire();
  try {
    check(tokens, saved.kv, saved.cache, model);
    sequence.restore(tokens.slice(0, cachedTokens(tokens)), saved.cache);
  } finally {
    sequence.release();
  }
  return new Session(engine, saved.state);
}
