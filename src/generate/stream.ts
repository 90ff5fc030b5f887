/** Bytes of tokens to text, piece by piece: never a part of a UTF-8 sequence. What is no UTF-8 becomes U+FFFD, as in `TextDecoder`. */
export class TextStream {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  /** The text that is complete now, perhaps none. */
  push(bytes: Uint8Array): string {
    return this.#decoder.decode(bytes, { stream: true });
  }

  /** U+FFFD for an unfinished sequence. */
  end(): string {
    return this.#decoder.decode();
  }
}
