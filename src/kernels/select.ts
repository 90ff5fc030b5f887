import { TetradError } from '../core/errors.ts';
import { KERNELS, type Isa, type KernelOp } from './manifest.ts';

/** Every op, in manifest order. */
export const OPS: readonly KernelOp[] = [...new Set(KERNELS.map((row) => row.op))];

/** The export that serves `op` on a path: the path's own row, else the plain one. */
export function select(op: KernelOp, isa: Isa): string {
  const rows = KERNELS.filter((row) => row.op === op);
  const row = rows.find((r) => r.isa === isa) ?? rows.find((r) => r.isa === 'simd128');
  if (!row) throw new TetradError('no_kernel', `Cannot select a kernel: "${op}" has none for ${isa}`);
  return row.name;
}
