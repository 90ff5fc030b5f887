import type { ByteSource } from '../../core/bytes.ts';
import { TetradError } from '../../core/errors.ts';

const WINDOW = 256 * 1024;

/** Invalid UTF-8 in a value becomes U+FFFD, so that one odd token does not make a model unreadable; a BOM is kept. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** Reads little-endian fields in order through a window. Await `ahead(n)` before taking `n` bytes; it checks `limit`. */
export class Cursor {
  readonly #source: ByteSource;
  readonly #limit: number;
  readonly #signal: AbortSignal | undefined;
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #start = 0; // file offset of the window
  #at = 0; // within the window

  /** No read passes `limit` bytes from the start of the source. */
  constructor(source: ByteSource, limit: number, signal?: AbortSignal) {
    this.#source = source;
    this.#limit = Math.min(limit, source.size);
    this.#signal = signal;
  }

  get offset(): number {
    return this.#start + this.#at;
  }

  /** Bytes up to the limit: what a count in the header can at most stand for. */
  get left(): number {
    return this.#limit - this.offset;
  }

  /** Bytes in the window from here on. */
  get held(): number {
    return this.#bytes.length - this.#at;
  }

  /** Brings the next `n` bytes into the window; `what` names them in the error. */
  async ahead(n: number, what: string): Promise<void> {
    if (n <= this.held) return;
    if (n > this.left) this.fail(`${what} of ${n} bytes at ${this.offset} reaches beyond byte ${this.#limit}`);
    const start = this.offset;
    const bytes = new Uint8Array(Math.min(this.left, Math.max(n, WINDOW)));
    await this.#source.read(start, bytes, this.#signal);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#start = start;
    this.#at = 0;
  }

  fail(found: string): never {
    throw new TetradError('invalid_file', `Cannot read ${this.#source.name}: ${found}, needed a well-formed GGUF header`);
  }

  #take(n: number): number {
    const at = this.#at;
    this.#at += n;
    return at;
  }

  u8 = (): number => this.#view.getUint8(this.#take(1));
  i8 = (): number => this.#view.getInt8(this.#take(1));
  u16 = (): number => this.#view.getUint16(this.#take(2), true);
  i16 = (): number => this.#view.getInt16(this.#take(2), true);
  u32 = (): number => this.#view.getUint32(this.#take(4), true);
  i32 = (): number => this.#view.getInt32(this.#take(4), true);
  u64 = (): bigint => this.#view.getBigUint64(this.#take(8), true);
  i64 = (): bigint => this.#view.getBigInt64(this.#take(8), true);
  f32 = (): number => this.#view.getFloat32(this.#take(4), true);
  f64 = (): number => this.#view.getFloat64(this.#take(8), true);

  /** A count or length: a u64 of at most `most`. */
  async count(what: string, most: number): Promise<number> {
    await this.ahead(8, what);
    const value = this.u64();
    if (value > BigInt(most)) this.fail(`${what} is ${value}, at most ${most} can follow`);
    return Number(value);
  }

  /** The next text if the window holds all of it, else null with nothing taken: long lists need no promise for each item. */
  heldText(most: number): string | null {
    if (this.held < 8) return null;
    const length = Number(this.#view.getBigUint64(this.#at, true));
    if (length > most || this.held < 8 + length) return null;
    this.#at += 8;
    return this.#decode(length);
  }

  async text(what: string, most: number): Promise<string> {
    const length = await this.count(`the length of ${what}`, Math.min(most, this.left));
    await this.ahead(length, what);
    return this.#decode(length);
  }

  #decode(length: number): string {
    const at = this.#take(length);
    return utf8.decode(this.#bytes.subarray(at, at + length));
  }
}
