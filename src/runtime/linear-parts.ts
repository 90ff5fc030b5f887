import type { FloatRow } from '../kernels/segment.ts';
import { isGrid, type ActFormat, type WeightFormat } from '../formats/number-format.ts';
import type { ArrayRef, Branch, Linear, Segment } from '../models/image.ts';

/** A segment with integer codes on both sides. */
export type IntegerSegment = Segment & { readonly weight: WeightFormat; readonly act: ActFormat; readonly length: number };

/** The integer segments of a linear with their lengths; they come first. */
export const integerSegments = ({ segments }: Linear): IntegerSegment[] =>
  segments.flatMap((segment) => {
    const { weight, act, k } = segment;
    return act && isGrid(weight) ? [{ ...segment, weight, act, length: k[1] - k[0] }] : [];
  });

/** The segments whose activations stay f32. */
const floatSegments = ({ segments }: Linear): Segment[] => segments.filter(({ act }) => !act);

/** A linear that is one matrix of f32 numbers: it has a kernel of its own. */
export const isPlain = (linear: Linear): boolean => linear.segments.length === 1 && linear.segments[0]!.weight.bits === 32;

const branchOf = <K extends Branch['kind']>({ branches = [] }: Linear, kind: K): Extract<Branch, { kind: K }> | null =>
  branches.find((branch): branch is Extract<Branch, { kind: K }> => branch.kind === kind) ?? null;

export const lowRankOf = (linear: Linear) => branchOf(linear, 'lowRank');
export const sparseOf = (linear: Linear) => branchOf(linear, 'sparse');
export const hasOutliers = (linear: Linear): boolean => linear.segments.some(({ act }) => act?.outliers !== undefined);

/** Whether a linear multiplies f32 values. */
export const keepsValues = (linear: Linear): boolean =>
  floatSegments(linear).length > 0 || hasOutliers(linear) || lowRankOf(linear) !== null || sparseOf(linear) !== null;

/** A descriptor's content whose addresses are still places in the image. */
export type FloatRowRef = Omit<FloatRow, 'data' | 'rowScales'> & { readonly data: ArrayRef; readonly rowScales: ArrayRef | undefined };

/** Weights that f32 values are multiplied by, in the order of their descriptors: the f32 segments, then the first and the second factor of a low-rank branch. */
export function floatRows(linear: Linear): FloatRowRef[] {
  if (isPlain(linear)) return [];
  const low = lowRankOf(linear);
  const factor = (length: number, bits: 16 | 32, data: ArrayRef): FloatRowRef => ({ from: 0, length, weight: { bits }, data, rowScales: undefined });
  return [
    ...floatSegments(linear).map(({ k, weight, data, rowScales }) => ({ from: k[0], length: k[1] - k[0], weight, data, rowScales })),
    ...(low ? [factor(linear.cols, low.bits, low.down), factor(low.rank, low.bits, low.up)] : []),
  ];
}
