import type { ByteDirectory, ByteSource } from '../../core/bytes.ts';
import { TetradError } from '../../core/errors.ts';
import { isObject } from '../../tokenizer/json.ts';
import { readJson } from '../json.ts';
import type { StoredTensor } from '../stored-tensor.ts';
import { readSafetensorsHeader } from './header.ts';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

/** The shard of each tensor, from the index. Shards lie in the directory itself. */
async function readIndex(dir: ByteDirectory, signal?: AbortSignal): Promise<Map<string, string>> {
  const { weight_map: map } = await readJson(dir, INDEX, signal);
  const shards = new Map<string, string>();
  for (const [name, shard] of Object.entries(isObject(map) ? map : {})) {
    if (typeof shard !== 'string' || !/^[\w.-]+\.safetensors$/.test(shard)) {
      const found = `the shard of ${JSON.stringify(name)} is ${JSON.stringify(shard)}`;
      throw new TetradError('invalid_file', `Cannot read ${dir.name}/${INDEX}: ${found}, needed a file name`);
    }
    shards.set(name, shard);
  }
  return shards;
}

/** All tensors of a directory: of `model.safetensors`, else of the shards that the index names. Opened sources are added to `opened`. */
export async function readSafetensors(dir: ByteDirectory, opened: ByteSource[], signal?: AbortSignal): Promise<Map<string, StoredTensor>> {
  const header = async (path: string): Promise<Map<string, StoredTensor>> => {
    const source = await dir.open(path);
    opened.push(source);
    return readSafetensorsHeader(source, signal);
  };
  if (await dir.has(SINGLE)) return header(SINGLE);
  if (!(await dir.has(INDEX))) throw new TetradError('not_found', `Cannot open ${dir.name}: it has no weights, needed ${SINGLE} or ${INDEX}`);
  const index = await readIndex(dir, signal);
  const shards = new Map<string, Map<string, StoredTensor>>();
  const tensors = new Map<string, StoredTensor>();
  for (const [name, path] of index) {
    const shard = shards.get(path) ?? (await header(path));
    shards.set(path, shard);
    const tensor = shard.get(name);
    if (!tensor) throw new TetradError('invalid_file', `Cannot read ${dir.name}/${path}: it has no tensor ${JSON.stringify(name)}, needed by the index`);
    tensors.set(name, tensor);
  }
  return tensors;
}
