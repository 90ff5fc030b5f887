import * as v from 'valibot';
import { sha256Bytes } from '../core/digest.ts';
import { TetradError } from '../core/errors.ts';
import type { SessionState } from './session-state.ts';
import type { TokenModel } from './token-model.ts';

/*
 * A saved session, little-endian:
 *
 *   8 bytes   MAGIC
 *   u32       version
 *   u32       bytes of the head
 *   head      JSON in UTF-8
 *   u32 [n]   token ids
 *   cache     of all tokens but the last, which must run again to give logits (`TokenModel.saveCache`)
 *   32 bytes  SHA-256 of all before
 */

const MAGIC = new TextEncoder().encode('tetrad/s');
export const SESSION_VERSION = 1;
const HEAD = 16;
const DIGEST = 32;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const word = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffffffff));

const head = v.strictObject({
  /** Of the model. */
  digest: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  kv: v.record(v.string(), v.union([v.number(), v.string(), v.boolean()])),
  tokens: count,
  chosen: count,
  messages: v.nullable(v.array(v.looseObject({ role: v.string(), content: v.string() }))),
  seed: count,
  random: v.pipe(v.strictTuple([word, word, word, word]), v.check((words) => words.some((one) => one !== 0))),
});

/** What a blob says, and what its cache was made with. */
export interface SavedSession {
  readonly state: SessionState;
  readonly digest: string;
  readonly kv: object;
  readonly cache: Uint8Array;
}

/** Tokens whose cache is saved. */
export const cachedTokens = (tokens: readonly number[]): number => Math.max(0, tokens.length - 1);

const invalid = (problem: string, options?: ErrorOptions): TetradError => new TetradError('invalid_file', `Cannot restore the session: ${problem}`, options);

/** `model` has all tokens but the last in its cache. */
export async function writeBlob({ tokens, ...rest }: SessionState, model: TokenModel): Promise<Uint8Array> {
  const text = new TextEncoder().encode(JSON.stringify({ digest: await model.digest(), kv: model.kv, ...rest, tokens: tokens.length }));
  const cached = cachedTokens(tokens);
  const ids = HEAD + text.length;
  const cache = ids + 4 * tokens.length;
  const end = cache + model.cacheBytes(cached);
  const blob = new Uint8Array(end + DIGEST);
  const view = new DataView(blob.buffer);
  blob.set(MAGIC);
  view.setUint32(8, SESSION_VERSION, true);
  view.setUint32(12, text.length, true);
  blob.set(text, HEAD);
  tokens.forEach((id, i) => view.setUint32(ids + 4 * i, id, true));
  model.saveCache(cached, blob.subarray(cache, end));
  blob.set(await sha256Bytes(blob.subarray(0, end)), end);
  return blob;
}

/** Checks all that a blob says of itself. Rejects with `invalid_file`, `unsupported_version` or `digest_mismatch`. */
export async function readBlob(blob: Uint8Array): Promise<SavedSession> {
  if (!(blob instanceof Uint8Array)) throw new TetradError('invalid_argument', `Cannot restore the session: it is ${typeof blob}, needed are the bytes of save()`);
  if (blob.length < HEAD + DIGEST || MAGIC.some((byte, i) => blob[i] !== byte)) throw invalid('it is no saved session');
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const version = view.getUint32(8, true);
  if (version !== SESSION_VERSION) {
    throw new TetradError('unsupported_version', `Cannot restore the session: its version is ${version}, this library reads version ${SESSION_VERSION}`);
  }
  const end = blob.length - DIGEST;
  const digest = await sha256Bytes(blob.subarray(0, end));
  if (digest.some((byte, i) => blob[end + i] !== byte)) throw new TetradError('digest_mismatch', 'Cannot restore the session: its bytes are not those that were saved');
  const ids = HEAD + view.getUint32(12, true);
  if (ids > end) throw invalid(`its head ends at byte ${ids} of ${end}`);
  const { tokens, digest: model, kv, ...rest } = parseHead(blob.subarray(HEAD, ids));
  const cache = ids + 4 * tokens;
  if (cache > end) throw invalid(`its ${tokens} tokens end at byte ${cache} of ${end}`);
  if (rest.chosen > tokens) throw invalid(`${rest.chosen} of its ${tokens} tokens were chosen`);
  const state = { ...rest, tokens: Array.from({ length: tokens }, (_, i) => view.getUint32(ids + 4 * i, true)) };
  return { state, digest: model, kv, cache: blob.subarray(cache, end) };
}

function parseHead(bytes: Uint8Array): v.InferOutput<typeof head> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid('its head is not JSON in UTF-8', { cause });
  }
  const result = v.safeParse(head, value);
  if (result.success) return result.output;
  throw invalid(`its head has a wrong ${v.getDotPath(result.issues[0]) ?? 'form'}`);
}
