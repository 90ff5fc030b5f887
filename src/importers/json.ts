import type { ByteDirectory } from '../core/bytes.ts';
import { TetradError } from '../core/errors.ts';
import { isObject, type JsonObject } from '../tokenizer/json.ts';

/** Llama 3's `tokenizer.json` has 9 MB, Gemma's 33 MB. */
const MAX_TEXT = 128 * 1024 * 1024;

/** A JSON object from UTF-8; rejects with `invalid_file`. */
export function parseJson(file: string, bytes: Uint8Array): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new TetradError('invalid_file', `Cannot read ${file}: it is not JSON in UTF-8, needed a JSON object`, { cause });
  }
  if (!isObject(value)) throw new TetradError('invalid_file', `Cannot read ${file}: it holds another JSON value, needed a JSON object`);
  return value;
}

/** The bytes of a whole small file; rejects with `not_found` or, if it is too large to be text, `invalid_file`. */
export async function readWhole(dir: ByteDirectory, path: string, signal?: AbortSignal): Promise<Uint8Array> {
  const source = await dir.open(path);
  try {
    if (source.size > MAX_TEXT) throw new TetradError('invalid_file', `Cannot read ${source.name}: it has ${source.size} bytes, needed at most ${MAX_TEXT}`);
    const bytes = new Uint8Array(source.size);
    await source.read(0, bytes, signal);
    return bytes;
  } finally {
    await source.close?.();
  }
}

export async function readJson(dir: ByteDirectory, path: string, signal?: AbortSignal): Promise<JsonObject> {
  return parseJson(`${dir.name}/${path}`, await readWhole(dir, path, signal));
}

/** Null where there is no such file. */
export const readOptionalJson = async (dir: ByteDirectory, path: string, signal?: AbortSignal): Promise<JsonObject | null> =>
  (await dir.has(path)) ? readJson(dir, path, signal) : null;
