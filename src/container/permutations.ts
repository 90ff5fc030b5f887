import type { ArrayRef, Manifest } from '../models/image.ts';

/**
 * Checks that permutations permute: kernels gather with them unchecked. `see` takes every run of image bytes once, in any order, and returns
 * the name of a linear whose permutation has become complete and is none, or null.
 */
export class PermutationCheck {
  readonly #pending = new Map<string, { readonly ref: ArrayRef; readonly bytes: Uint8Array; missing: number }>();

  constructor(manifest: Manifest) {
    for (const [name, { permute }] of Object.entries(manifest.linears)) {
      if (permute) this.#pending.set(name, { ref: permute, bytes: new Uint8Array(permute.bytes), missing: permute.bytes });
    }
  }

  see(offset: number, run: Uint8Array): string | null {
    for (const [name, entry] of this.#pending) {
      const { ref, bytes } = entry;
      const [from, to] = [Math.max(offset, ref.offset), Math.min(offset + run.length, ref.offset + ref.bytes)];
      if (from >= to) continue;
      bytes.set(run.subarray(from - offset, to - offset), from - ref.offset);
      entry.missing -= to - from;
      if (entry.missing > 0) continue;
      this.#pending.delete(name);
      const order = new Int32Array(bytes.buffer);
      if (new Set(order).size !== order.length || !order.every((channel) => channel >= 0 && channel < order.length)) return name;
    }
    return null;
  }
}
