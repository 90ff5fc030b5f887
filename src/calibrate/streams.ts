/** Hidden states of all sequences, f32 [tokens, hidden], and the layer that they enter; NaN while they change. */
export interface Stream {
  states: Float32Array;
  at: number;
}

/** In front of kept states: i32, the layer that they enter. Keeps them aligned. Behind it the states of each stream. */
const HEADER = 16;

export const statesBytes = (values: number, streams: number): number => HEADER + streams * values * 4;

/** Streams that enter the same layer as bytes. */
export function packStates(streams: readonly Stream[]): Uint8Array {
  const { states: { length }, at } = streams[0]!;
  const bytes = new Uint8Array(statesBytes(length, streams.length));
  new Int32Array(bytes.buffer, 0, 1)[0] = at;
  streams.forEach(({ states }, i) => new Float32Array(bytes.buffer, HEADER + i * length * 4, length).set(states));
  return bytes;
}

/** Takes states over from bytes of the right length; returns false, and takes nothing, where they enter a layer behind `most`. */
export function unpackStates(bytes: Uint8Array<ArrayBuffer>, streams: readonly Stream[], most: number): boolean {
  const layer = new Int32Array(bytes.buffer, 0, 1)[0]!;
  if (layer > most) return false;
  const length = (bytes.length - HEADER) / (4 * streams.length);
  for (const [i, stream] of streams.entries()) {
    stream.states = new Float32Array(bytes.buffer, HEADER + i * length * 4, length);
    stream.at = layer;
  }
  return true;
}
