/**
 * GPT-2's spelling of bytes as printable characters (Radford et al. 2019, `bytes_to_unicode`): printable Latin-1 stands for itself,
 * the other 68 bytes are U+0100 and up in ascending order.
 */
function byteChars(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(printable ? byte : next++);
  });
}

const BYTE_OF: ReadonlyMap<string, number> = new Map(byteChars().map((char, byte) => [char, byte]));
const utf8 = new TextEncoder();

/** The bytes that a byte-level token spells; a token with a character outside the alphabet is its own UTF-8. */
export function byteLevelBytes(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = BYTE_OF.get(token[i]!);
    if (byte === undefined) return utf8.encode(token);
    bytes[i] = byte;
  }
  return bytes;
}
