import { byteLevelBytes } from './byte-level.ts';
import { isObject, unsupported, type JsonObject } from './json.ts';

const utf8 = new TextEncoder();
const BYTE_PIECE = /^<0x([0-9A-Fa-f]{2})>$/;

/** How a `decoder` of a `tokenizer.json` turns tokens into bytes. */
export interface TokenBytes {
  bytes(token: string): Uint8Array;
  /** Spaces to take off the front of a whole text, those that encoding put there. */
  readonly stripStart: number;
}

interface Pieces {
  byteLevel: boolean;
  byteFallback: boolean;
  replace: (readonly [string, string])[];
  stripStart: number;
}

const READERS: Readonly<Record<string, (pieces: Pieces, config: JsonObject) => void>> = {
  ByteLevel: (pieces) => { pieces.byteLevel = true; },
  ByteFallback: (pieces) => { pieces.byteFallback = true; },
  Fuse: () => {},
  Replace: (pieces, config) => {
    const from = isObject(config.pattern) ? config.pattern.String : undefined;
    if (typeof from !== 'string' || typeof config.content !== 'string') throw unsupported('a Replace decoder without a plain text to replace');
    pieces.replace.push([from, config.content]);
  },
  Strip: (pieces, config) => {
    if (config.content !== ' ' || (config.stop ?? 0) !== 0) throw unsupported('a Strip decoder for other than leading spaces');
    pieces.stripStart = Number(config.start ?? 0);
  },
  Metaspace: (pieces, config) => {
    pieces.replace.push([typeof config.replacement === 'string' ? config.replacement : '▁', ' ']);
    pieces.stripStart = config.prepend_scheme === 'never' || config.add_prefix_space === false ? 0 : 1;
  },
  Sequence: (pieces, config) => {
    for (const decoder of Array.isArray(config.decoders) ? config.decoders : []) read(pieces, decoder);
  },
};

function read(pieces: Pieces, config: unknown): void {
  const type = isObject(config) ? String(config.type) : 'none';
  if (!isObject(config) || !Object.hasOwn(READERS, type)) {
    throw unsupported(`a decoder of type ${type}, supported are ${Object.keys(READERS).join(', ')}`);
  }
  READERS[type]!(pieces, config);
}

export function tokenBytes(decoder: unknown): TokenBytes {
  const pieces: Pieces = { byteLevel: false, byteFallback: false, replace: [], stripStart: 0 };
  read(pieces, decoder);
  const { byteLevel, byteFallback, replace, stripStart } = pieces;
  return {
    stripStart,
    bytes(token) {
      if (byteLevel) return byteLevelBytes(token);
      const byte = byteFallback ? BYTE_PIECE.exec(token) : null;
      if (byte !== null) return Uint8Array.of(parseInt(byte[1]!, 16));
      return utf8.encode(replace.reduce((text, [from, to]) => text.replaceAll(from, () => to), token));
    },
  };
}
