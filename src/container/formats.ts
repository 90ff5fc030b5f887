import * as v from 'valibot';
import type { WeightFormat } from '../formats/number-format.ts';

/** Number formats in files that people or programs write: recipes and containers. Only formats that kernels exist for pass. */

/** Scales, zeros and blocks go together. */
function weightProblem({ block, scale, zero, bits }: WeightFormat): string | null {
  if ((block === 'row') !== (scale === 'bf16')) return `scale is ${JSON.stringify(scale)} where block is ${JSON.stringify(block)}, needed is "bf16" for "row" alone`;
  if ((scale === 'u3') !== (zero === 'u3')) return `zero is ${JSON.stringify(zero)} where scale is ${JSON.stringify(scale)}, needed are "u3" for both or for none`;
  if (scale === 'bf16' && zero === 'int') return 'zero is "int" where scale is "bf16", needed is "mid" or "min"';
  if (scale === 'u3' && bits > 4) return `bits is ${bits} where scale is "u3", needed is 3 or 4`;
  return null;
}

export const weightFormat = v.pipe(
  v.strictObject({
    bits: v.picklist([3, 4, 6, 8]),
    block: v.picklist([16, 32, 64, 128, 'row']),
    scale: v.picklist(['f16', 'u8', 'bf16', 'u3']),
    zero: v.picklist(['mid', 'int', 'min', 'u3']),
  }),
  v.check((format) => weightProblem(format) === null, ({ input }) => weightProblem(input) ?? ''),
);

export const floatFormat = v.strictObject({ bits: v.picklist([16, 32]) });

/** Factor on the range of a block. */
export const clip = v.pipe(v.number(), v.minValue(0.1), v.maxValue(1));

export const actFormat = v.strictObject({
  bits: v.picklist([4, 8]),
  block: v.picklist([32, 64, 128, 'row']),
  clip,
  zero: v.exactOptional(v.literal('min')),
  range: v.exactOptional(v.literal('static')),
  outliers: v.exactOptional(v.pipe(v.number(), v.gtValue(0), v.finite())),
});

const kvOfWidth = v.variant('bits', [
  v.strictObject({ bits: v.literal(4), keyGroup: v.picklist([32, 64]), valueGroup: v.picklist([16, 32, 64]), firstPage: v.picklist([4, 8]) }),
  v.strictObject({ bits: v.literal(8) }),
  v.strictObject({ bits: v.literal(32) }),
]);
const kvOfCodes = v.pipe(
  v.strictObject({ bits: v.picklist([4, 8]), per: v.picklist(['token', 'static']), rope: v.picklist(['before', 'after']), rotate: v.exactOptional(v.literal(true)) }),
  v.check(({ rope, rotate }) => !rotate || rope === 'after', 'rotate is true where rope is "before", needed is "after"'),
);
/** `per` tells the kinds apart, so that an error names a field of the kind that was meant. */
export const kvFormat = v.lazy((value): typeof kvOfWidth | typeof kvOfCodes => (typeof value === 'object' && value !== null && 'per' in value ? kvOfCodes : kvOfWidth));

/** One line about the first thing that a schema did not like: `path is found, needed is expected`. */
export function describeIssue(issues: readonly [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]]): string {
  const [issue] = issues;
  const path = v.getDotPath(issue) ?? 'the whole';
  if (issue.expected === 'never') return `${path} is no known field`;
  if (issue.type === 'check' || issue.type === 'raw_transform' || issue.expected === null) return `${path}: ${issue.message}`;
  return issue.received === 'undefined' ? `${path} is missing` : `${path} is ${issue.received.slice(0, 60)}, needed is ${issue.expected}`;
}
