import { TetradError } from '../../core/errors.ts';

/*
 * A module imports either memory of its own or memory that threads share: one bit of the binary (WebAssembly core specification, binary format of
 * limits; threads proposal). The build has the first form with a maximum, as the second demands; the second is made from it where threads are wanted,
 * which never is where modules come precompiled.
 */

const IMPORTS = 2;
const MEMORY = 2;
const HAS_MAXIMUM = 1;
const SHARED = 2;

/** The same module over shared memory. Throws `no_kernel` unless its first import is a memory with a maximum. */
export function overSharedMemory(module: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const bytes = module.slice();
  let at = 8; // magic number and version
  const number = (): number => {
    let value = 0;
    for (let shift = 0; at < bytes.length; shift += 7) {
      const byte = bytes[at++]!;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    return value;
  };
  while (at < bytes.length) {
    const id = bytes[at++];
    const size = number();
    if (id === IMPORTS) break;
    at += size;
  }
  number(); // how many imports
  for (let name = 0; name < 2; name++) {
    const length = number();
    at += length;
  }
  const kind = bytes[at++];
  if (kind !== MEMORY || bytes[at] !== HAS_MAXIMUM) {
    throw new TetradError('no_kernel', 'Cannot share memory between threads: the first import of the module is not a memory with a maximum');
  }
  bytes[at] = HAS_MAXIMUM | SHARED;
  return bytes;
}
