import type { Cursor } from './cursor.ts';

const MAX_KEY = 65535; // gguf.md
const MAX_TEXT = 16 * 1024 * 1024;
const MAX_DEPTH = 4;
const ENTRY_BYTES = 8 + 4 + 1; // of the shortest entry: empty key, type, one byte

const STRING = 8;
const ARRAY = 9;

/** A u64 or i64 as a number where it is exact. */
const integer = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};

interface Scalar {
  readonly bytes: number;
  read(cursor: Cursor): unknown;
}

/** Value types of fixed size by their number in the file. */
const SCALARS: ReadonlyMap<number, Scalar> = new Map<number, Scalar>([
  [0, { bytes: 1, read: (cursor) => cursor.u8() }],
  [1, { bytes: 1, read: (cursor) => cursor.i8() }],
  [2, { bytes: 2, read: (cursor) => cursor.u16() }],
  [3, { bytes: 2, read: (cursor) => cursor.i16() }],
  [4, { bytes: 4, read: (cursor) => cursor.u32() }],
  [5, { bytes: 4, read: (cursor) => cursor.i32() }],
  [6, { bytes: 4, read: (cursor) => cursor.f32() }],
  [7, { bytes: 1, read: (cursor) => cursor.u8() !== 0 }],
  [10, { bytes: 8, read: (cursor) => integer(cursor.u64()) }],
  [11, { bytes: 8, read: (cursor) => integer(cursor.i64()) }],
  [12, { bytes: 8, read: (cursor) => cursor.f64() }],
]);

async function readArray(cursor: Cursor, what: string, depth: number): Promise<unknown[]> {
  if (depth > MAX_DEPTH) cursor.fail(`${what} nests arrays deeper than ${MAX_DEPTH}`);
  await cursor.ahead(4, what);
  const type = cursor.u32();
  const scalar = SCALARS.get(type);
  const count = await cursor.count(`the length of ${what}`, Math.floor(cursor.left / (scalar?.bytes ?? 8)));
  const values: unknown[] = [];
  for (let i = 0; i < count; i++) values.push(heldValue(cursor, type) ?? (await readValue(cursor, type, what, depth)));
  return values;
}

/** The next value if it lies in the window, else null with nothing taken. */
function heldValue(cursor: Cursor, type: number): unknown {
  if (type === STRING) return cursor.heldText(MAX_TEXT);
  const scalar = SCALARS.get(type);
  return scalar && scalar.bytes <= cursor.held ? scalar.read(cursor) : null;
}

async function readValue(cursor: Cursor, type: number, what: string, depth: number): Promise<unknown> {
  if (type === STRING) return cursor.text(what, MAX_TEXT);
  if (type === ARRAY) return readArray(cursor, what, depth + 1);
  const scalar = SCALARS.get(type);
  if (!scalar) return cursor.fail(`${what} has the value type ${type}, 0 to 12 can be`);
  await cursor.ahead(scalar.bytes, what);
  return scalar.read(cursor);
}

/** The number of entries, then the entries. Arrays become JS arrays, 64-bit integers numbers where exact and else bigints. */
export async function readMetadata(cursor: Cursor): Promise<Map<string, unknown>> {
  const count = await cursor.count('the number of metadata entries', Math.floor(cursor.left / ENTRY_BYTES));
  const metadata = new Map<string, unknown>();
  for (let i = 0; i < count; i++) {
    const key = await cursor.text('a metadata key', MAX_KEY);
    if (metadata.has(key)) cursor.fail(`metadata key ${JSON.stringify(key)} occurs twice`);
    await cursor.ahead(4, `metadata ${JSON.stringify(key)}`);
    metadata.set(key, await readValue(cursor, cursor.u32(), `metadata ${JSON.stringify(key)}`, 0));
  }
  return metadata;
}
