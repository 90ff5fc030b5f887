import type { TokenizerData } from '../../src/core/tokenizer-data.ts';
import type { TokenModel } from '../../src/generate/token-model.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';

const BLOCK = 4;

/** Logits are a hash of the last `memory` tokens in the cache; `script` fixes the choice after n tokens. Counts what it ran. */
export class FakeModel implements TokenModel {
  readonly vocab: number;
  readonly context: number;
  readonly cache: number[] = [];
  readonly ran: number[][] = [];
  readonly script: readonly number[] | null;
  readonly logitRows = 8;
  /** Truncation to a page before the last goes down to a multiple of this, as with packed pages. */
  page = 1;
  memory = Infinity;

  constructor(vocab: number, context: number, script: readonly number[] | null = null) {
    this.vocab = vocab;
    this.context = context;
    this.script = script;
  }

  get position(): number {
    return this.cache.length;
  }

  truncate(n: number): number {
    const open = Math.floor((this.cache.length - 1) / this.page) * this.page;
    if (n < this.cache.length) this.cache.length = n >= open ? n : n - (n % this.page);
    return this.cache.length;
  }

  blockRoom(): number {
    return Math.min(BLOCK - (this.position % BLOCK), this.context - this.position);
  }

  forwardRows(tokens: ArrayLike<number>, rows: number): Float32Array[] {
    if (tokens.length < 1 || tokens.length > this.blockRoom()) throw new Error(`block of ${tokens.length}`);
    if (rows < 1 || rows > Math.min(tokens.length, this.logitRows)) throw new Error(`${rows} rows`);
    const block = Array.from(tokens);
    this.ran.push(block);
    return block.map((token) => {
      this.cache.push(token);
      return this.logits();
    }).slice(-rows);
  }

  readonly kv = { bits: 32 };

  digest(): Promise<string> {
    return Promise.resolve('f'.repeat(64));
  }

  cacheBytes(tokens: number): number {
    return 2 * tokens;
  }

  saveCache(tokens: number, target: Uint8Array): void {
    const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
    for (let i = 0; i < tokens; i++) view.setUint16(2 * i, this.cache[i]!);
  }

  restoreCache(tokens: number, source: Uint8Array): number {
    const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
    this.cache.length = 0;
    for (let i = 0; i < tokens; i++) this.cache.push(view.getUint16(2 * i));
    return tokens;
  }

  /** After the tokens in the cache. */
  logits(): Float32Array {
    const logits = new Float32Array(this.vocab);
    if (this.script !== null) {
      logits[this.script[this.position % this.script.length]!] = 100;
      return logits;
    }
    let hash = 2166136261;
    for (const token of this.cache.slice(-this.memory)) hash = Math.imul(hash ^ token, 16777619);
    for (let id = 0; id < this.vocab; id++) {
      hash = Math.imul(hash ^ (hash >>> 13) ^ id, 0x5bd1e995);
      logits[id] = (hash >>> 8) / 2 ** 22;
    }
    return logits;
  }
}

/** One id a byte, then `<end>` (256, ends a text), `<turn>` (257) and `<s>` (258). */
export function byteTokenizer(changes: Partial<TokenizerData> = {}): Tokenizer {
  const pieces = Array.from({ length: 256 }, (_, byte): [string, number] => [`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, byte]);
  return new Tokenizer({
    tokenizer: {
      model: { type: 'BPE', vocab: Object.fromEntries(pieces), merges: [], byte_fallback: true },
      decoder: { type: 'ByteFallback' },
      added_tokens: ['<end>', '<turn>', '<s>'].map((content, i) => ({ id: 256 + i, content, special: true })),
    },
    bos: 258, eos: [256], addBos: false,
    chatTemplate: "{% for m in messages %}{{ '<turn>' + m.role + ':' + m.content }}{% endfor %}{% if add_generation_prompt %}{{ '<turn>' }}{% endif %}",
    ...changes,
  });
}
export const BYTE_VOCAB = 259;
