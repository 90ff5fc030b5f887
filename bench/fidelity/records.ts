import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { TokenFigures } from '../../src/evaluate/divergence.ts';

/** What one line of the results file is about. Lines of another build, model or context stay in the file and do not count. */
export interface RunKey {
  /** Digest of everything that the figures depend on in this repository. */
  readonly build: string;
  readonly model: string;
  readonly context: number;
}

/** One candidate on one window. */
export interface WindowRecord extends RunKey {
  readonly window: number;
  readonly candidate: string;
  readonly bytes: number;
  /** Base64 of little-endian f32 (`sameTop`: u8), one value per predicted token. */
  readonly nll: string;
  readonly kl: string;
  readonly sameTop: string;
  readonly change: string;
}

const encode = (values: Float32Array | Uint8Array): string => Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');

function decodeFloats(text: string): Float64Array {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  return Float64Array.from(new Float32Array(bytes.buffer));
}

export function encodeFigures(figures: TokenFigures): Pick<WindowRecord, 'nll' | 'kl' | 'sameTop' | 'change'> {
  const floats = (values: Float64Array): string => encode(Float32Array.from(values));
  return { nll: floats(figures.nll), kl: floats(figures.kl), sameTop: encode(figures.sameTop), change: floats(figures.change) };
}

export const decodeFigures = (record: WindowRecord): TokenFigures => ({
  nll: decodeFloats(record.nll),
  kl: decodeFloats(record.kl),
  sameTop: Uint8Array.from(Buffer.from(record.sameTop, 'base64')),
  change: decodeFloats(record.change),
});

/** A results file: JSON lines that are only ever appended, so that a run that was stopped goes on where it was. */
export class Results {
  readonly #path: string;
  readonly #records = new Map<string, WindowRecord>();

  constructor(path: string, key: RunKey) {
    this.#path = path;
    mkdirSync(dirname(path), { recursive: true });
    if (!existsSync(path)) return;
    const text = readFileSync(path, 'utf8');
    if (text !== '' && !text.endsWith('\n')) appendFileSync(path, '\n'); // a run was stopped inside its last line
    for (const line of text.split('\n')) {
      if (!line.endsWith('}')) continue;
      const record = JSON.parse(line) as WindowRecord;
      if (record.build === key.build && record.model === key.model && record.context === key.context) this.#keep(record);
    }
  }

  #keep(record: WindowRecord): void {
    this.#records.set(`${record.window} ${record.candidate}`, record);
  }

  add(record: WindowRecord): void {
    appendFileSync(this.#path, `${JSON.stringify(record)}\n`);
    this.#keep(record);
  }

  get(window: number, candidate: string): WindowRecord | undefined {
    return this.#records.get(`${window} ${candidate}`);
  }
}
