import { sha256 } from '../core/digest.ts';

/** Where unfinished work is kept. `save` replaces what has the name, wholly or not at all. */
export interface WorkStore {
  load(name: string): Promise<Uint8Array | null>;
  save(name: string, bytes: Uint8Array): Promise<void>;
}

/** Entries of a store that know their own name and digest: damaged ones, and those of other work, count as absent. */
export class KeptWork {
  readonly #store: WorkStore;
  readonly #key: string;

  /** `key`: a digest of all that the work depends on, fit for a file name. */
  constructor(store: WorkStore, key: string) {
    this.#store = store;
    this.#key = key;
  }

  #name(entry: string): string {
    return `${this.#key}-${entry}`;
  }

  /** First line of an entry. */
  async #header(entry: string, content: Uint8Array): Promise<Uint8Array> {
    return new TextEncoder().encode(`tetrad ${this.#name(entry)} ${await sha256(content)}\n`);
  }

  /** The entry's content, of `length` bytes; null: there is none that is whole. */
  async load(entry: string, length: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const bytes = await this.#store.load(this.#name(entry));
    if (!bytes || bytes.length <= length) return null;
    const content = bytes.slice(bytes.length - length);
    const header = await this.#header(entry, content);
    return header.length + length === bytes.length && header.every((byte, i) => byte === bytes[i]) ? content : null;
  }

  async save(entry: string, content: Uint8Array): Promise<void> {
    const header = await this.#header(entry, content);
    const bytes = new Uint8Array(header.length + content.length);
    bytes.set(header);
    bytes.set(content, header.length);
    await this.#store.save(this.#name(entry), bytes);
  }
}
