import { describe, expect, it } from 'vitest';
import { roundRows } from '../../src/quantize/rounding/round.ts';
import { roundPool } from '../../src/surfaces/adapters/round-pool.ts';
import { stripsTypes } from '../support/node.ts';
import { pack, storeFor } from '../support/pack.ts';
import { COMPENSATED, roundJob, weights } from '../support/rounding.ts';

/** Jobs end on threads that are TypeScript files here. */
describe.skipIf(!stripsTypes)('roundPool()', { timeout: 60_000 }, () => {
  it.each(['house', 'spqr', 'quik'])('packs %s to the same bytes on 1, 2 and 3 threads as on none', async (name) => {
    const bytes = [(await pack(storeFor(name), name)).bytes];
    for (const threads of [1, 2, 3]) {
      const pool = roundPool(threads);
      bytes.push((await pack(storeFor(name), name, { round: pool.round })).bytes);
      await pool.close();
    }
    for (const other of bytes.slice(1)) expect(Buffer.compare(bytes[0]!, other)).toBe(0);
  });

  it('hands errors of a thread on with their codes, and goes on after them', async () => {
    const pool = roundPool(2);
    const good = roundJob(weights(40, 32, 1), 32, { bits: 4, block: 32, scale: 'f16', zero: 'mid' });
    const bad = { ...good, rounding: COMPENSATED, hessian: new Float32Array(32 * 32).fill(NaN) };
    await expect(pool.round(bad)).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('the mean square of channel 0 is NaN') });
    expect(await pool.round(good)).toEqual(await roundRows(good));
    await pool.close();
  });
});
