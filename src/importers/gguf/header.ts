import type { ByteSource } from '../../core/bytes.ts';
import { TetradError } from '../../core/errors.ts';
import { ceilTo } from '../../formats/layout.ts';
import { BLOCK_TYPES } from '../blocks/table.ts';
import type { StoredTensor } from '../stored-tensor.ts';
import { Cursor } from './cursor.ts';
import { readMetadata } from './metadata.ts';


/** A header as read; nothing here knows about architectures. */
export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, unknown>;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

const MAGIC = 0x46554747; // "GGUF"
const MAX_HEADER = 64 * 1024 * 1024;
const MAX_NAME = 256; // ggml's own limit is 64
const MAX_DIMS = 4; // GGML_MAX_DIMS
const TENSOR_BYTES = 8 + 4 + 8 + 4 + 8; // of the shortest tensor info: empty name, one dimension

const blockTypes = new Map(BLOCK_TYPES.map((type) => [type.id, type]));

/** A tensor info as stored: the offset counts from the end of the header. */
interface TensorInfo extends Omit<StoredTensor, 'source' | 'offset'> {
  readonly name: string;
  readonly relative: number;
  readonly bytes: number;
}

async function readTensorInfo(cursor: Cursor, sourceName: string): Promise<TensorInfo> {
  const name = await cursor.text('a tensor name', MAX_NAME);
  await cursor.ahead(4, 'a tensor info');
  const count = cursor.u32();
  if (count < 1 || count > MAX_DIMS) cursor.fail(`tensor ${JSON.stringify(name)} has ${count} dimensions, 1 to ${MAX_DIMS} can be`);
  await cursor.ahead(count * 8 + 12, 'a tensor info');
  const dims = Array.from({ length: count }, () => Number(cursor.u64()));
  const id = cursor.u32();
  const relative = Number(cursor.u64());
  const values = dims.reduce((product, dim) => product * dim, 1);
  if (!(values >= 1 && values <= Number.MAX_SAFE_INTEGER)) cursor.fail(`tensor ${JSON.stringify(name)} has the shape [${dims}]`);
  const type = blockTypes.get(id);
  if (!type) {
    const known = BLOCK_TYPES.map((row) => row.name).join(', ');
    throw new TetradError('unsupported_type', `Cannot read ${sourceName}: tensor ${JSON.stringify(name)} has type ${id}, supported are ${known}`);
  }
  const cols = dims[0]!;
  if (cols % type.elements) cursor.fail(`tensor ${JSON.stringify(name)} has rows of ${cols} values in ${type.name} blocks of ${type.elements}`);
  return { name, rows: values / cols, cols, type, relative, bytes: (values / type.elements) * type.bytes };
}

/** Gives every tensor its place in the file and checks that places are aligned, inside and apart. */
function placeTensors(infos: readonly TensorInfo[], start: number, alignment: number, source: ByteSource, cursor: Cursor): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  let end = 0;
  let last = '';
  for (const { name, relative, bytes, rows, cols, type } of infos.toSorted((a, b) => a.relative - b.relative)) {
    const named = `tensor ${JSON.stringify(name)}`;
    if (tensors.has(name)) cursor.fail(`${named} occurs twice`);
    if (relative % alignment) cursor.fail(`${named} lies at ${relative}, not a multiple of the alignment ${alignment}`);
    if (relative < end) cursor.fail(`tensors ${JSON.stringify(last)} and ${JSON.stringify(name)} overlap`);
    if (start + relative + bytes > source.size) {
      cursor.fail(`${named} ends at ${relative + bytes} of ${Math.max(0, source.size - start)} bytes after the header`);
    }
    tensors.set(name, { source, offset: start + relative, rows, cols, type });
    end = relative + bytes;
    last = name;
  }
  return tensors;
}

function alignmentOf(metadata: ReadonlyMap<string, unknown>, cursor: Cursor): number {
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment === 'number' && alignment >= 1 && alignment <= 65536 && (alignment & (alignment - 1)) === 0) return alignment;
  return cursor.fail(`general.alignment is ${JSON.stringify(String(alignment))}, a power of two up to 65536 can be`);
}

/**
 * Reads header, metadata and tensor infos of a GGUF v2 or v3 file in windows of 256 KiB.
 * Format: ggml-org/ggml, docs/gguf.md. Rejects with `invalid_file`, `unsupported_version` or `unsupported_type`.
 */
export async function readGgufHeader(source: ByteSource, signal?: AbortSignal): Promise<GgufHeader> {
  const cursor = new Cursor(source, MAX_HEADER, signal);
  await cursor.ahead(24, 'the header');
  if (cursor.u32() !== MAGIC) cursor.fail('it does not begin with "GGUF"');
  const version = cursor.u32();
  if (version && (version & 0xffff) === 0) cursor.fail('it is big-endian, only little-endian files can be read');
  if (version !== 2 && version !== 3) {
    throw new TetradError('unsupported_version', `Cannot read ${source.name}: GGUF version ${version}, supported are 2 and 3`);
  }
  const tensorCount = await cursor.count('the number of tensors', Math.floor(cursor.left / TENSOR_BYTES));
  const metadata = await readMetadata(cursor);
  const infos: TensorInfo[] = [];
  for (let i = 0; i < tensorCount; i++) infos.push(await readTensorInfo(cursor, source.name));
  const alignment = alignmentOf(metadata, cursor);
  const start = ceilTo(cursor.offset, alignment);
  return { metadata, tensors: placeTensors(infos, start, alignment, source, cursor) };
}
