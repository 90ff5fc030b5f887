import { describe, expect, it } from 'vitest';
import { profiled, type Call } from '../../src/backends/profile.ts';
import { profileRows } from '../../src/surfaces/cli/profile.ts';
import { cli } from './harness.ts';

describe('profiled()', () => {
  it('gives the same kernels, and their times in order', () => {
    const calls: Call[] = [];
    const seen: number[][] = [];
    let clock = 0;
    const kernels = profiled({
      rope: (...args: number[]) => void (seen.push(args), clock += 3),
      embed: (...args: number[]) => void (seen.push(args), clock += 1),
    }, () => clock, calls);
    kernels.rope(1, 2);
    kernels.embed(3);
    expect(seen).toEqual([[1, 2], [3]]);
    expect(calls).toEqual([['rope', 3], ['embed', 1]]);
  });
});

describe('profileRows()', () => {
  const layer = ['rmsnormQuant', 'gemm', 'rope', 'attentionPage', 'gatherQuant', 'gemm', 'rmsnormQuant', 'gemm', 'siluMulQuant', 'gemm'];
  const calls = ['embed', ...layer, ...layer, 'rmsnormQuant', 'gemm'].map((op): Call => [op, 1]);

  it('knows the site of each multiplication from the order of calls', () => {
    const gemms = profileRows(calls, 25, 1).filter(({ op }) => op === 'gemm');
    expect(gemms.map(({ site, calls: count }) => [site, count])).toEqual([['attn.qkv', 2], ['attn.o', 2], ['mlp.gate_up', 2], ['mlp.down', 2], ['output', 1]]);
  });

  it('knows it where threads make several calls of one', () => {
    const parts = calls.flatMap((call) => (call[0] === 'gemm' ? [call, call, call, call, call] : [call]));
    const gemms = profileRows(parts, 99, 1).filter(({ op }) => op === 'gemm');
    expect(gemms.map(({ site, calls: count }) => [site, count])).toEqual([['attn.qkv', 10], ['attn.o', 10], ['mlp.gate_up', 10], ['mlp.down', 10], ['output', 5]]);
  });

  it('ends with the time that no kernel took', () => {
    expect(profileRows(calls, 25, 1).at(-1)).toEqual({ op: 'between kernels', site: '-', calls: 0, ms: 1 });
    expect(profileRows(calls, 20, 1).at(-1)!.ms).toBe(0);
  });
});

it('tetrad bench --profile prints a table of one block and one of one token', async () => {
  const { out } = await cli(['bench', '--profile', '-r', '1']);
  expect([...out.matchAll(/^(\d+) tokens? at depth (\d+):/gm)].map(([, tokens, depth]) => [tokens, depth])).toEqual([['64', '0'], ['1', '0']]);
  expect(out).toMatch(/^\| gemm +\| attn\.qkv +\| +2 \|/m);
});
