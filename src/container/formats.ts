import * as v from 'valibot';

/** Number formats in files that people or programs write: recipes and containers. Only formats that kernels exist for pass. */

const block = v.picklist([32, 64, 128]);

export const weightFormat = v.strictObject({
  bits: v.picklist([4, 6, 8]),
  block,
  scale: v.picklist(['f16', 'u8']),
  zero: v.picklist(['mid', 'int', 'min']),
});

export const floatFormat = v.strictObject({ bits: v.literal(32) });

/** Factor on the absmax of an activation block. */
export const clip = v.pipe(v.number(), v.minValue(0.1), v.maxValue(1));

export const actFormat = v.strictObject({ bits: v.picklist([4, 8]), block, clip });

export const kvFormat = v.variant('bits', [
  v.strictObject({ bits: v.literal(4), keyGroup: v.picklist([32, 64]), valueGroup: v.picklist([16, 32, 64]), firstPage: v.picklist([4, 8]) }),
  v.strictObject({ bits: v.literal(8) }),
  v.strictObject({ bits: v.literal(32) }),
]);

/** One line about the first thing that a schema did not like: `path is found, needed is expected`. */
export function describeIssue(issues: readonly [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]]): string {
  const [issue] = issues;
  const path = v.getDotPath(issue) ?? 'the whole';
  if (issue.expected === 'never') return `${path} is no known field`;
  if (issue.type === 'check' || issue.expected === null) return `${path}: ${issue.message}`;
  return issue.received === 'undefined' ? `${path} is missing` : `${path} is ${issue.received.slice(0, 60)}, needed is ${issue.expected}`;
}
