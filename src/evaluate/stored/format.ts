import { TetradError } from '../../core/errors.ts';
import { ceilTo } from '../../formats/layout.ts';

/**
 * A base's log-probabilities in a file, little-endian:
 *
 *      0  "TETRBASE"
 *      8  u32 version, u32 length of the JSON
 *     16  JSON (`StoredInfo`), filled up with spaces to a multiple of 64
 *         u32 [windows] check sums (`CheckSum`) of each window's rows, 0: not written yet; filled up to a multiple of 64
 *         rows [windows][context - 1], one for each predicted token
 *
 * A row of n codes, n = `top`, or all of the vocabulary where `top` is 0 (the coding of llama.cpp's --kl-divergence-base, with a wider range):
 *
 *      0  f32 scale, f32 min: log-probability = min + scale * code; the smallest are cut off 40 nats below the largest
 *      8  f32 log-probability of the text's token
 *     12  f32 log of the probability of all tokens that have no code; -Infinity: none
 *     16  u16 [n] codes, the most likely token alone has 65535; filled up to a multiple of 4
 *         u32 [n] token ids by descending code; absent where `top` is 0: code i is token i's
 */
const STORED_VERSION = 1;
const MAGIC = 'TETRBASE';
const START = 16;
/** A header larger than this is no header. */
const MOST_JSON = 1 << 20;

export interface StoredInfo {
  readonly vocab: number;
  /** Tokens per window. */
  readonly context: number;
  readonly windows: number;
  /** So many of the most likely tokens have a code; 0: all. */
  readonly top: number;
  /** SHA-256 of the windows' token ids as little-endian i32. */
  readonly ids: string;
  /** Where the figures come from, for people. */
  readonly model: Readonly<Record<string, unknown>>;
}

export interface StoredLayout {
  readonly header: Uint8Array;
  /** Where the check sums are. */
  readonly sums: number;
  /** Where the rows begin. */
  readonly rows: number;
  readonly rowBytes: number;
  readonly windowBytes: number;
  readonly bytes: number;
}

export const codesOf = ({ vocab, top }: Pick<StoredInfo, 'vocab' | 'top'>): number => (top === 0 ? vocab : top);

export function rowBytes(info: Pick<StoredInfo, 'vocab' | 'top'>): number {
  const codes = codesOf(info);
  return 16 + ceilTo(2 * codes, 4) + (info.top === 0 ? 0 : 4 * codes);
}

export function storedLayout(info: StoredInfo): StoredLayout {
  const text = new TextEncoder().encode(JSON.stringify(info));
  const sums = ceilTo(START + text.length, 64);
  const header = new Uint8Array(sums).fill(0x20);
  header.set(new TextEncoder().encode(MAGIC));
  const view = new DataView(header.buffer);
  view.setUint32(8, STORED_VERSION, true);
  view.setUint32(12, sums - START, true);
  header.set(text, START);
  return layoutFrom(info, header);
}

function layoutFrom(info: StoredInfo, header: Uint8Array): StoredLayout {
  const rows = ceilTo(header.length + 4 * info.windows, 64);
  const row = rowBytes(info);
  const windowBytes = (info.context - 1) * row;
  return { header, sums: header.length, rows, rowBytes: row, windowBytes, bytes: rows + info.windows * windowBytes };
}

const isCount = (value: unknown, least: number): boolean => Number.isSafeInteger(value) && (value as number) >= least;

/** The first thing that is wrong with a header's fields, or null. */
function fault(info: Partial<StoredInfo> | null): string | null {
  if (typeof info !== 'object' || info === null) return 'its header is no object';
  if (!isCount(info.vocab, 1)) return `its vocabulary is ${String(info.vocab)}`;
  if (!isCount(info.context, 2)) return `its windows have ${String(info.context)} tokens`;
  if (!isCount(info.windows, 1)) return `it has ${String(info.windows)} windows`;
  if (!isCount(info.top, 0) || info.top! > info.vocab!) return `it keeps ${String(info.top)} of ${info.vocab} tokens`;
  return typeof info.ids === 'string' && /^[0-9a-f]{64}$/.test(info.ids) ? null : 'it has no digest of token ids';
}

export const invalid = (name: string, found: string, needed = 'is a file that tetrad eval --save-base wrote'): TetradError =>
  new TetradError('invalid_file', `Cannot use ${name} as a base: ${found}, needed ${needed}`);

/** Bytes that `readHeader` needs to know how many more it needs. */
export const PROLOGUE = START;

/** Bytes of the header, from its first `PROLOGUE`. Throws `invalid_file` and `unsupported_version`. */
export function headerBytes(name: string, prologue: Uint8Array): number {
  const view = new DataView(prologue.buffer, prologue.byteOffset, prologue.byteLength);
  if (new TextDecoder().decode(prologue.subarray(0, 8)) !== MAGIC) throw invalid(name, 'it does not begin with TETRBASE');
  const version = view.getUint32(8, true);
  if (version !== STORED_VERSION) throw new TetradError('unsupported_version', `Cannot use ${name} as a base: its version is ${version}, needed is ${STORED_VERSION}`);
  const length = view.getUint32(12, true);
  if (length > MOST_JSON || (START + length) % 64 !== 0) throw invalid(name, `its header states ${length} bytes`);
  return START + length;
}

/** What a whole header says, and where everything is. Throws `invalid_file`. */
export function parseHeader(name: string, header: Uint8Array): { readonly info: StoredInfo; readonly layout: StoredLayout } {
  let info: StoredInfo;
  try {
    info = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(header.subarray(START))) as StoredInfo;
  } catch {
    throw invalid(name, 'its header is not JSON');
  }
  const why = fault(info);
  if (why !== null) throw invalid(name, why);
  return { info, layout: layoutFrom(info, header) };
}

/** FNV-1a of u32 words, 32 bits, never 0. */
export class CheckSum {
  #state = 0x811c9dc5;

  add(words: Uint32Array): void {
    let state = this.#state;
    for (let i = 0; i < words.length; i++) state = Math.imul(state ^ words[i]!, 0x01000193);
    this.#state = state;
  }

  get value(): number {
    return this.#state >>> 0 || 1;
  }
}
