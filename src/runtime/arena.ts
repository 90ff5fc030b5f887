import { ceilTo } from '../formats/layout.ts';
import { IMAGE_ALIGNMENT } from '../models/image.ts';

/** Deals out addresses before any memory exists: aligned as the arrays of an image, in order, never freed. `end` is the memory that the plan needs. */
export class Arena {
  #end: number;

  constructor(base: number) {
    this.#end = base;
  }

  get end(): number {
    return this.#end;
  }

  take(bytes: number): number {
    const at = ceilTo(this.#end, IMAGE_ALIGNMENT);
    this.#end = at + bytes;
    return at;
  }
}
