import { appendFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { TetradError } from '../../../core/errors.ts';
import type { TokenFigures } from '../../../evaluate/divergence.ts';

/** Something that has been worked out: for whom the record is, under a name that is unique there, and what it says. */
interface Line {
  /** Digest of all that the figures depend on. */
  readonly key: string;
  readonly id: string;
  readonly value: unknown;
}

const errorOf = (path: string, action: string, cause: unknown): TetradError =>
  new TetradError('io_error', `Cannot ${action} the work file ${path}: the system says ${String((cause as NodeJS.ErrnoException).code)}`, { cause });

/** JSON lines that are only ever appended, so that a run that was stopped goes on where it was. Lines of other keys stay in the file and do not count. */
export class WorkFile {
  readonly path: string;
  readonly #lines = new Map<string, unknown>();
  #added = false;

  /** Reads what is there; what a stopped run left of its last line does not count. Throws `io_error` where the file cannot be read or written. */
  constructor(path: string) {
    this.path = path;
    let text = '';
    try {
      mkdirSync(dirname(path), { recursive: true });
      text = readFileSync(path, 'utf8');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw errorOf(path, 'read', cause);
    }
    if (text !== '' && !text.endsWith('\n')) this.#append('\n');
    for (const line of text.split('\n')) {
      const parsed = parseLine(line);
      if (parsed) this.#lines.set(`${parsed.key} ${parsed.id}`, parsed.value);
    }
  }

  get(key: string, id: string): unknown {
    return this.#lines.get(`${key} ${id}`);
  }

  /** Whether this run has put something in. */
  get added(): boolean {
    return this.#added;
  }

  add(key: string, id: string, value: unknown): void {
    this.#append(`${JSON.stringify({ key, id, value } satisfies Line)}\n`);
    this.#lines.set(`${key} ${id}`, value);
    this.#added = true;
  }

  remove(): void {
    rmSync(this.path, { force: true });
  }

  #append(text: string): void {
    try {
      appendFileSync(this.path, text);
    } catch (cause) {
      throw errorOf(this.path, 'write', cause);
    }
  }
}

function parseLine(line: string): Line | null {
  try {
    const { key, id, value } = JSON.parse(line) as Partial<Line>;
    return typeof key === 'string' && typeof id === 'string' && value !== undefined ? { key, id, value } : null;
  } catch {
    return null;
  }
}

/** A window's figures in JSON: base64 of little-endian f64 (`sameTop`: u8), one value per predicted token. */
export interface FiguresRecord {
  readonly bytes: number;
  readonly nll: string;
  readonly kl: string;
  readonly sameTop: string;
  readonly change: string;
}

const encode = (values: Float64Array | Uint8Array): string => Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
const bytesOf = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text, 'base64'));
const floats = (text: string): Float64Array => new Float64Array(bytesOf(text).buffer);

export const encodeFigures = (figures: TokenFigures & { readonly bytes: number }): FiguresRecord => ({
  bytes: figures.bytes, nll: encode(figures.nll), kl: encode(figures.kl), sameTop: encode(figures.sameTop), change: encode(figures.change),
});

export const decodeFigures = (record: FiguresRecord): TokenFigures & { readonly bytes: number } => ({
  bytes: record.bytes, nll: floats(record.nll), kl: floats(record.kl), sameTop: bytesOf(record.sameTop), change: floats(record.change),
});
