import { actBytes } from '../lib/dot';
import { N0, N4, N8 } from '../lib/literal';
import { stepBytes, stepChannels, wide } from '../lib/parts';
import { Walk } from '../lib/walk';
import { SUB, subBlock } from './gemm_sub';

/**
 * 16 rows by 2 tokens over `subs` sub-blocks, of each plane: T is N0 for one plane, N4 for two, low and high in turn. x0, x1, y0, y1: activations and
 * scales of the tokens. `reals`: s, if there are any. `dots`: 8 vectors of scratch; 8 zeros 256 bytes further.
 */
@inline export function tile2x16<P, B, T>(
  walk: Walk, subs: i32, w: usize, x0: usize, x1: usize, y0: usize, y1: usize, factors: usize, reals: usize, tile: usize, dots: usize,
): void {
  const nibble = v128.load(walk.masks), top = v128.load(walk.masks, 16), none = i32x4.splat(0), scaleStep = walk.scaleStep, realStep = walk.realStep;
  const foldSubs = walk.foldChannels / SUB * (offsetof<T>() ? 2 : 1), header = walk.header, headerSubs = walk.block / SUB;
  const sub = SUB * <usize>actBytes<P>(), codes = SUB / <usize>stepChannels<P>() * stepBytes<P, B>();
  let toHeader = 0, high: usize = 0; // whether the sub-block is of the high plane
  if (sizeof<P>() != 1 && offsetof<B>() == 16 && offsetof<T>() == 0 && foldSubs == 2 && !realStep) {
    for (; subs > 1; subs -= 2) {
      subBlock<P, B, N0>(w, x0, x1, nibble, top, factors, dots, dots, false, y0, y1, 0, tile);
      subBlock<P, B, N4>(w + codes, x0 + sub, x1 + sub, nibble, top, factors + 64, dots, dots, true, y0, y1, 0, tile);
      w += 2 * codes; x0 += 2 * sub; x1 += 2 * sub;
      factors += 128;
      y0 += scaleStep; y1 += scaleStep;
    }
  }
  for (let left = subs; left > 0; left -= foldSubs) {
    let before = dots + 256; // the fold's sums so far: none
    if (sizeof<P>() == 2 && wide<B>()) {
      before = dots;
      for (let i: usize = 0; i < 128; i += 16) v128.store(dots + i, none);
    }
    for (let n = min(left, foldSubs); n > 0; n--) {
      if (offsetof<B>() < 16) {
        if (toHeader == 0) {
          w += header;
          toHeader = headerSubs;
        }
        toHeader--;
      }
      subBlock<P, B, N8>(w, x0, x1, nibble, top, factors, before, dots, n == 1, y0, y1, realStep ? reals : 0, tile);
      before = dots;
      w += codes;
      if (offsetof<T>() == 0) {
        x0 += sub; x1 += sub;
      } else {
        if (high) {
          x0 += sub; x1 += sub;
        }
        high ^= 1;
      }
      factors += 64;
    }
    y0 += scaleStep; y1 += scaleStep;
    reals += realStep;
  }
}
