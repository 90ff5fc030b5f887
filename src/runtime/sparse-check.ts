import type { LinearMemory } from '../backends/backend.ts';
import { TetradError } from '../core/errors.ts';

/** Addresses of a linear's single weights in memory, and how many entries there is room for. */
export interface SparsePlace {
  readonly starts: number;
  readonly entries: number;
  readonly count: number;
}

/** Throws `invalid_file` where single weights lie outside the matrix: kernels do not look. */
export function checkSparse({ i32, u16 }: LinearMemory, { starts, entries, count }: SparsePlace, name: string, rows: number, cols: number): void {
  const damaged = (found: string): never => {
    throw new TetradError('invalid_file', `Cannot use the single weights of ${name}: ${found}`);
  };
  let last = 0;
  for (let row = 0; row <= rows; row++) {
    const start = i32[(starts >>> 2) + row]!;
    if (start < last || start > count || (row === 0 && start !== 0)) damaged(`row ${row} starts at entry ${start}, needed are ${last} to ${count}`);
    last = start;
  }
  for (let i = 0; i < last; i++) {
    const channel = u16[(entries >>> 1) + 2 * i]!;
    if (channel >= cols) damaged(`entry ${i} is in channel ${channel}, needed is one below ${cols}`);
  }
}
