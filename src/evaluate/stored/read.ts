import type { ByteSource } from '../../core/bytes.ts';
import { TetradError } from '../../core/errors.ts';
import { PAGE } from '../../formats/descriptor.ts';
import type { Base } from '../base.ts';
import { CheckSum, headerBytes, invalid, parseHeader, PROLOGUE, type StoredInfo, type StoredLayout } from './format.ts';
import { RowDecoder } from './rows.ts';

/** A stored base: rows are read block by block, and each window's check sum is checked when its last row has been read. */
export class StoredBase implements Base {
  readonly info: StoredInfo;
  readonly layout: StoredLayout;
  readonly block = PAGE;
  /** By window; 0: not written. */
  readonly sums: Uint32Array;
  readonly #source: ByteSource;
  readonly #decoder: RowDecoder;
  readonly #buffer: ArrayBuffer;
  #window = 0;
  #row = 0;
  #sum = new CheckSum();

  constructor(source: ByteSource, info: StoredInfo, layout: StoredLayout, sums: Uint32Array) {
    this.#source = source;
    this.info = info;
    this.layout = layout;
    this.sums = sums;
    this.#decoder = new RowDecoder(info);
    this.#buffer = new ArrayBuffer(PAGE * layout.rowBytes);
  }

  get context(): number {
    return this.info.context;
  }

  get vocab(): number {
    return this.info.vocab;
  }

  start(window: number): void {
    this.#window = window;
    this.#row = 0;
    this.#sum = new CheckSum();
  }

  async forward(tokens: Int32Array): ReturnType<Base['forward']> {
    const { rowBytes, rows, windowBytes } = this.layout;
    const from = rows + this.#window * windowBytes + this.#row * rowBytes;
    await this.#source.read(from, new Uint8Array(this.#buffer, 0, tokens.length * rowBytes));
    this.#sum.add(new Uint32Array(this.#buffer, 0, (tokens.length * rowBytes) / 4));
    this.#row += tokens.length;
    const wanted = this.sums[this.#window]!;
    if (this.#row === this.context - 1 && this.#sum.value !== wanted) {
      throw new TetradError(
        'digest_mismatch', `Cannot use ${this.#source.name} as a base: the check sum of window ${this.#window + 1} is ${this.#sum.value}, the file states ${wanted}`,
      );
    }
    return (t) => this.#decoder.decode(this.#buffer, t * rowBytes);
  }

  async close(): Promise<void> {
    await this.#source.close?.();
  }
}

/**
 * Opens a base that was stored. Takes the source over.
 *
 * @throws `invalid_file` for anything else, a truncated or an unfinished file (unless `partial`), `unsupported_version`.
 */
export async function openStored(source: ByteSource, { partial = false } = {}): Promise<StoredBase> {
  try {
    if (source.size < PROLOGUE) throw invalid(source.name, `it has ${source.size} bytes`);
    const prologue = new Uint8Array(PROLOGUE);
    await source.read(0, prologue);
    const header = new Uint8Array(headerBytes(source.name, prologue));
    if (source.size < header.length) throw invalid(source.name, `it ends at byte ${source.size}, inside its header`);
    await source.read(0, header);
    const { info, layout } = parseHeader(source.name, header);
    if (source.size !== layout.bytes) throw invalid(source.name, `it has ${source.size} bytes`, `are ${layout.bytes} for ${info.windows} windows of ${info.context} tokens`);
    const sums = new Uint8Array(4 * info.windows);
    await source.read(layout.sums, sums);
    const base = new StoredBase(source, info, layout, new Uint32Array(sums.buffer));
    const missing = base.sums.indexOf(0);
    if (missing >= 0 && !partial) throw invalid(source.name, `window ${missing + 1} is missing`, 'are all');
    return base;
  } catch (error) {
    await source.close?.();
    throw error;
  }
}
