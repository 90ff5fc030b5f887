import type { ByteSource } from '../../core/bytes.ts';
import { TetradError } from '../../core/errors.ts';
import { isObject } from '../../tokenizer/json.ts';
import { BLOCK_TYPES, type BlockType } from '../blocks/table.ts';
import { parseJson } from '../json.ts';
import type { StoredTensor } from '../stored-tensor.ts';

/** The limit of huggingface/safetensors. */
const MAX_HEADER = 100_000_000;

const types = new Map(['F32', 'F16', 'BF16'].map((name) => [name, BLOCK_TYPES.find((type) => type.name === name)!]));

interface TensorInfo {
  readonly name: string;
  readonly type: BlockType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

const isSizes = (value: unknown): value is number[] => Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);

function tensorInfo(file: string, name: string, value: unknown): TensorInfo {
  const named = `Cannot read ${file}: tensor ${JSON.stringify(name)}`;
  const { dtype, shape, data_offsets: offsets } = isObject(value) ? value : {};
  const sized = isSizes(shape) && isSizes(offsets) && offsets.length === 2;
  if (typeof dtype !== 'string' || !sized) {
    throw new TetradError('invalid_file', `${named} is malformed, needed dtype, shape and data_offsets`);
  }
  const type = types.get(dtype);
  if (!type) {
    throw new TetradError('unsupported_type', `${named} has type ${JSON.stringify(dtype).slice(0, 80)}, supported are ${[...types.keys()].join(', ')}`);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((product, dim) => product * dim, type.bytes);
  if (end - begin !== bytes) {
    throw new TetradError('invalid_file', `${named} takes ${end - begin} bytes, needed ${bytes} for ${dtype} of shape [${shape}]`);
  }
  return { name, type, shape, begin, end };
}

/**
 * Reads the header of one safetensors file; tensors must fill the rest of the file without gaps or overlaps, as the format demands.
 * Format: huggingface/safetensors, README.md. Rejects with `invalid_file` or `unsupported_type`.
 */
export async function readSafetensorsHeader(source: ByteSource, signal?: AbortSignal): Promise<Map<string, StoredTensor>> {
  const invalid = (found: string): TetradError =>
    new TetradError('invalid_file', `Cannot read ${source.name}: ${found}, needed a well-formed safetensors file`);
  if (source.size < 8) throw invalid(`it has ${source.size} bytes`);
  const prefix = new Uint8Array(8);
  await source.read(0, prefix, signal);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  const most = Math.min(MAX_HEADER, source.size - 8);
  if (length > BigInt(most)) throw invalid(`its header has ${length} bytes, at most ${most} can be`);
  const bytes = new Uint8Array(Number(length));
  await source.read(8, bytes, signal);
  const entries = Object.entries(parseJson(source.name, bytes)).filter(([name]) => name !== '__metadata__');
  const infos = entries.map(([name, value]) => tensorInfo(source.name, name, value)).sort((a, b) => a.begin - b.begin || a.end - b.end);
  const start = 8 + bytes.length;
  const tensors = new Map<string, StoredTensor>();
  let end = 0;
  for (const info of infos) {
    if (info.begin !== end) throw invalid(`tensor ${JSON.stringify(info.name)} begins at ${info.begin} where the one before ends at ${end}`);
    end = info.end;
    const cols = info.shape.at(-1) ?? 1;
    const rows = info.shape.slice(0, -1).reduce((product, dim) => product * dim, 1);
    tensors.set(info.name, { source, offset: start + info.begin, rows, cols, type: info.type });
  }
  if (start + end !== source.size) throw invalid(`its tensors end at byte ${start + end} of ${source.size}`);
  return tensors;
}
