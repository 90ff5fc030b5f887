import type { LinearMemory } from './backend.ts';

/** One view per element type over a buffer. */
export function viewsOf(buffer: ArrayBufferLike): LinearMemory {
  return {
    buffer,
    u8: new Uint8Array(buffer),
    i8: new Int8Array(buffer),
    u16: new Uint16Array(buffer),
    i32: new Int32Array(buffer),
    f32: new Float32Array(buffer),
  };
}
