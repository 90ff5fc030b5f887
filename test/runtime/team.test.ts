import { describe, expect, it } from 'vitest';
import { Control, CONTROL_BYTES } from '../../src/runtime/control.ts';
import { Rank, Solo, type Team } from '../../src/runtime/team.ts';

/** What each rank gets of n things if they take turns. */
function parts(teams: readonly Team[], n: number): number[][] {
  const taken = teams.map((): number[] => []);
  const take = (i: number): void => {
    const { from, to } = teams[i]!;
    expect(to).toBeGreaterThan(from);
    for (let at = from; at < to; at++) taken[i]!.push(at);
  };
  let going = teams.map((team, i) => ({ team, i })).filter(({ team }) => team.deal(n));
  while (going.length > 0) {
    for (const { i } of going) take(i);
    going = going.filter(({ team }) => team.claim());
  }
  return taken;
}

describe('deal() and claim()', () => {
  const sizes = [1, 2, 3, 4, 7, 64];
  it.each(sizes.flatMap((size) => [[size, false], [size, true]] as const))('give each thing to exactly one of %i ranks (crowded: %s)', (size, crowded) => {
    for (const n of [0, 1, 2, 3, 7, 8, 9, 36, 60, 192, 3072]) {
      const control = new Control(new SharedArrayBuffer(CONTROL_BYTES), { spin: true, mayBlock: true, now: () => 0 });
      const taken = parts(Array.from({ length: size }, (_, rank) => new Rank(control, rank, size, crowded)), n);
      expect(taken.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
      if (!crowded) expect(Math.max(...taken.map(({ length }) => length))).toBeLessThanOrEqual(Math.ceil(n / size) + Math.ceil(n / 16));
    }
  });

  it('give all to one thread', () => {
    expect(parts([new Solo()], 5)).toEqual([[0, 1, 2, 3, 4]]);
    expect(new Solo().deal(0)).toBe(false);
  });
});

describe('Control', () => {
  it('once a rank has failed, fails everywhere with the first reason', () => {
    const block = new SharedArrayBuffer(CONTROL_BYTES);
    const [one, other] = [0, 1].map(() => new Control(block, { spin: false, mayBlock: true, now: () => 0 }));
    one!.check();
    one!.raise('a reason 💥');
    other!.raise('another reason');
    const failure = expect.objectContaining({ code: 'worker_failed', message: expect.stringContaining('a reason 💥;') });
    for (const control of [one!, other!]) {
      for (const call of [() => control.check(), () => control.barrier(2, true), () => control.command(1, 0, 1), () => control.awaitCommand(0)]) expect(call).toThrow(failure);
    }
  });

  it('gives up on ranks that do not move, also where it may not block', () => {
    let clock = 0;
    const control = new Control(new SharedArrayBuffer(CONTROL_BYTES), { spin: true, mayBlock: false, now: () => (clock += 50) });
    expect(() => control.barrier(2, true)).toThrow(expect.objectContaining({ code: 'worker_failed', message: expect.stringContaining('did not move for 10 s') }));
  });
});
