import type { ArrayRef, Branch, Linear, Manifest } from './image.ts';

function branchArrays(branch: Branch): readonly ArrayRef[] {
  switch (branch.kind) {
    case 'lowRank': return [branch.down, branch.up];
    case 'sparse': return [branch.starts, branch.entries];
    default: return branch satisfies never;
  }
}

/** All arrays of a linear. */
export const linearArrays = ({ permute, segments, branches = [] }: Linear): readonly ArrayRef[] => [
  ...(permute ? [permute] : []),
  ...segments.flatMap(({ data, rowScales, actScales }) => [data, rowScales, actScales].filter((ref) => ref !== undefined)),
  ...branches.flatMap(branchArrays),
];

/** The linears of the layers: embedding and output layer stay apart. */
const layerLinears = ({ linears }: Manifest): Linear[] =>
  Object.entries(linears).flatMap(([name, linear]) => (name.startsWith('layers.') ? [linear] : []));

const weightsOf = ({ rows, cols }: Linear): number => rows * cols;
const total = (linears: readonly Linear[], of: (linear: Linear) => number): number => linears.reduce((sum, linear) => sum + of(linear), 0);

/** Bits that a weight of the layers takes, scales, orders and branches counted. */
export function bitsPerWeight(manifest: Manifest): number {
  const linears = layerLinears(manifest);
  return (8 * total(linears, (linear) => linearArrays(linear).reduce((sum, ref) => sum + ref.bytes, 0))) / total(linears, weightsOf);
}

/** The part of the layers' products whose activations have `bits` bits; 32: f32. */
export function activationShare(manifest: Manifest, bits: 4 | 8 | 32): number {
  const linears = layerLinears(manifest);
  const own = (linear: Linear): number =>
    linear.rows * linear.segments.reduce((sum, { act, k }) => sum + ((act?.bits ?? 32) === bits ? k[1] - k[0] : 0), 0);
  return total(linears, own) / total(linears, weightsOf);
}
