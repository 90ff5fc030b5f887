/** Deals out addresses before any memory exists: 64-byte aligned, in order, never freed. `end` is the memory that the plan needs. */
export class Arena {
  #end: number;

  constructor(base: number) {
    this.#end = base;
  }

  get end(): number {
    return this.#end;
  }

  take(bytes: number): number {
    const at = Math.ceil(this.#end / 64) * 64;
    this.#end = at + bytes;
    return at;
  }
}
