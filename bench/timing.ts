/** Times of short work. Own lines and no library: every figure here is read beside limits of the same run, and its rounds are kept for the noise band. */

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Robust standard deviation: 1.4826 times the median distance from the median; 0 for one value. */
export function sigma(values: readonly number[]): number {
  const centre = median(values);
  return 1.4826 * median(values.map((value) => Math.abs(value - centre)));
}

export interface Rounds {
  readonly rounds: number;
  /** Least milliseconds of a round. */
  readonly round: number;
}

/** Milliseconds of one call, per round: calls are repeated until a round is long enough for the clock. The first calls warm up. */
export function time(action: () => void, { rounds, round }: Rounds): number[] {
  let calls = 0;
  for (const start = performance.now(); calls === 0 || performance.now() - start < round / 2; calls++) action();
  calls *= 2;
  return Array.from({ length: rounds }, () => {
    const from = performance.now();
    for (let i = 0; i < calls; i++) action();
    return (performance.now() - from) / calls;
  });
}
