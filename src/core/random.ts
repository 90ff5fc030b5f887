/** SplitMix64 (Steele, Lea, Flood 2014): spreads a seed over as many 64-bit words as asked for. */
export function splitMix64(seed: bigint, words: number): bigint[] {
  let state = BigInt.asUintN(64, seed);
  return Array.from({ length: words }, () => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  });
}

const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));

/** xoshiro128** 1.1 (Blackman, Vigna 2018, prng.di.unimi.it): 32-bit integer operations only, the same sequence everywhere. */
export class Random {
  readonly #state: Uint32Array; // [4]

  /** `state`: four 32-bit words, not all zero. */
  constructor(state: ArrayLike<number>) {
    this.#state = Uint32Array.from(state);
  }

  /** The four words that it goes on from. */
  get state(): readonly number[] {
    return Array.from(this.#state);
  }

  /** `seed`: an integer from 0 to 2^53 - 1. */
  static seeded(seed: number): Random {
    return new Random(splitMix64(BigInt(seed), 2).flatMap((word) => [Number(word & 0xffffffffn), Number(word >> 32n)]));
  }

  /** Uniform in 0 .. 2^32 - 1. */
  nextUint32(): number {
    const s = this.#state;
    const result = Math.imul(rotate(Math.imul(s[1]!, 5), 7), 9) >>> 0;
    const t = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    s[3] = rotate(s[3]!, 11);
    return result;
  }

  /** Uniform in [0, 1), a multiple of 2^-53. */
  next(): number {
    const high = this.nextUint32() >>> 5;
    return (high * 67108864 + (this.nextUint32() >>> 6)) / 9007199254740992;
  }
}
