import { PAGE, PANEL } from '../../src/formats/descriptor';
import { multiplyPanel } from '../lib/panel_f32';

/*
 * out[i][j] += sum over t, ascending, of x[t][i] * y[t][j], PAGE tokens at a time (src/backends/reference/gram.ts): the product of two panels of channels, for
 * which both are copied to where they lie close together, one of them transposed. `gram` has y = x, and j from the first row of i's panel on. Scratch:
 *
 *   columns  f32 [tokens][16]
 *   tile     f32 [16][16], for a last panel that is narrower than 16
 *   rows     f32 [16][tokens]
 */

/** `bytes` of channels from `x` on of every token, zero up to 16 channels. */
function copyColumns(x: usize, xs: usize, bytes: usize, to: usize, end: usize): void {
  if (bytes < 64) {
    memory.fill(to, 0, end - to);
    for (; to < end; to += 64, x += xs) memory.copy(to, x, bytes);
    return;
  }
  for (; to < end; to += 64, x += xs) {
    v128.store(to, v128.load(x)); v128.store(to, v128.load(x, 16), 16); v128.store(to, v128.load(x, 32), 32); v128.store(to, v128.load(x, 48), 48);
  }
}

/** Columns f32 [tokens][16] to rows f32 [16][tokens]. */
function transpose(from: usize, end: usize, to: usize, row: usize): void {
  for (; from < end; from += 64, to += 4) {
    for (let c: usize = 0, at = to; c < 64; c += 4, at += row) store<f32>(at, load<f32>(from + c));
  }
}

/** Adds the first `bytes` of the rows of the tile. */
function addTile(tile: usize, bytes: usize, out: usize, row: usize, rows: i32): void {
  for (let i = 0; i < rows; i++, tile += 64, out += row) {
    for (let c: usize = 0; c < bytes; c += 4) store<f32>(out + c, load<f32>(out + c) + load<f32>(tile + c));
  }
}

/** Rows of a panel of x, columns from `start` on. */
function panelProducts(x: usize, xs: usize, y: usize, ys: usize, tokens: i32, length: i32, out: usize, panel: i32, start: i32, scratch: usize): void {
  const side = <usize>tokens << 2, row = <usize>length << 2, first = panel * PANEL, rows = min(PANEL, length - first);
  const columns = scratch, end = columns + (side << 4), tile = end, turned = tile + 1024, own = <usize>first << 2;
  copyColumns(x + own, xs, min(64, row - own), columns, end);
  transpose(columns, end, turned, side);
  out += <usize>first * row;
  for (let j = start; j < length; j += PANEL) {
    const from = <usize>j << 2, bytes = min(64, row - from);
    copyColumns(y + from, ys, bytes, columns, end);
    if (bytes == 64) {
      multiplyPanel(columns, side, turned, side, out + from, row, rows, 1);
    } else {
      multiplyPanel(columns, side, turned, side, tile, 64, rows, 0);
      addTile(tile, bytes, out + from, row, rows);
    }
  }
}

function gramPanel(x: usize, xs: usize, tokens: i32, length: i32, gram: usize, panel: i32, scratch: usize): void {
  panelProducts(x, xs, x, xs, tokens, length, gram, panel, panel * PANEL, scratch);
}

export function gram_f32_simd128(x: usize, xStride: i32, tokens: i32, length: i32, gram: usize, firstUnit: i32, lastUnit: i32, scratch: usize): void {
  const panels = (length + PANEL - 1) / PANEL, xs = <usize>xStride << 2;
  for (; tokens > 0; tokens -= PAGE, x += xs * PAGE) {
    const count = min(tokens, PAGE);
    for (let unit = firstUnit; unit < lastUnit; unit++) {
      gramPanel(x, xs, count, length, gram, unit, scratch);
      if (panels - 1 - unit != unit) gramPanel(x, xs, count, length, gram, panels - 1 - unit, scratch);
    }
  }
}

export function cross_gram_f32_f32_simd128(
  x: usize, xStride: i32, y: usize, yStride: i32, tokens: i32, length: i32, gram: usize, firstPanel: i32, lastPanel: i32, scratch: usize,
): void {
  const xs = <usize>xStride << 2, ys = <usize>yStride << 2;
  for (; tokens > 0; tokens -= PAGE, x += xs * PAGE, y += ys * PAGE) {
    for (let panel = firstPanel; panel < lastPanel; panel++) panelProducts(x, xs, y, ys, min(tokens, PAGE), length, gram, panel, 0, scratch);
  }
}
