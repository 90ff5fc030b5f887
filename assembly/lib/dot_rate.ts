import { mac } from './dot';

/**
 * `rounds` of 8 dot products on registers, each of which waits for that of another chain, so that none can be left out. Twice 16 bytes of operands lie at
 * `at`; the sums go there.
 */
@inline export function dotRate<P>(rounds: i32, at: usize): void {
  const w = v128.load(at), x = v128.load(at, 16);
  let a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x;
  for (let i = 0; i < rounds; i++) {
    a = mac<P>(a, w, b); b = mac<P>(b, w, c); c = mac<P>(c, w, d); d = mac<P>(d, w, e);
    e = mac<P>(e, w, f); f = mac<P>(f, w, g); g = mac<P>(g, w, h); h = mac<P>(h, w, a);
  }
  v128.store(at, v128.xor(v128.xor(v128.xor(a, b), v128.xor(c, d)), v128.xor(v128.xor(e, f), v128.xor(g, h))));
}
