import type { ArrayRef } from './image.ts';

const isRef = (value: object): value is ArrayRef => 'offset' in value && 'bytes' in value;

/** A copy of linears or vectors, or of any part of them, with every array replaced by what `map` makes of it. */
export function mapArrays<T>(value: T, map: (ref: ArrayRef) => ArrayRef): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((part: unknown) => mapArrays(part, map)) as T;
  if (isRef(value)) return map(value) as T;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, mapArrays(part, map)])) as T;
}
