/** Ids ordered by keys [by id], larger first and of equal keys lower ids first; a heap has the one that comes last on top. */

/** Makes a heap of the first `size` ids. */
export function heapify(ids: Int32Array, keys: Float64Array, size: number): void {
  for (let root = (size >> 1) - 1; root >= 0; root--) sink(ids, keys, root, size);
}

/** Puts the id at `root` in its place in the heap below. */
export function sink(ids: Int32Array, keys: Float64Array, root: number, size: number): void {
  const moved = ids[root]!;
  let at = root;
  for (let child = 2 * at + 1; child < size; child = 2 * at + 1) {
    if (child + 1 < size && before(keys, ids[child]!, ids[child + 1]!)) child++;
    if (!before(keys, moved, ids[child]!)) break;
    ids[at] = ids[child]!;
    at = child;
  }
  ids[at] = moved;
}

/** Orders the first `size` ids, in place. */
export function sortByKey(ids: Int32Array, keys: Float64Array, size: number): void {
  heapify(ids, keys, size);
  for (let last = size - 1; last > 0; last--) {
    const least = ids[0]!;
    ids[0] = ids[last]!;
    ids[last] = least;
    sink(ids, keys, 0, last);
  }
}

const before = (keys: Float64Array, a: number, b: number): boolean => keys[a]! > keys[b]! || (keys[a] === keys[b] && a < b);
