import { describe, expect, it } from 'vitest';
import { boundRate, modelShares } from '../../bench/figure.ts';
import { machineName, markdown } from '../../bench/result.ts';
import { boundMs, kernelCells } from '../../bench/roofline.ts';
import { escape, element } from '../../src/surfaces/charts/svg.ts';
import { rooflineSvg } from '../../bench/svg/roofline.ts';
import { median, sigma } from '../../bench/timing.ts';

const limits = { stream: [10, 16] as const, dot: { simd128: 40, 'relaxed-i16': 80, 'relaxed-i32': 50, f32: 20 } };
const row = { op: 'gemm', label: 'W4A8 <"&\'>', site: 'attn.o', tokens: 4, path: 'relaxed-i16' as const, macs: 80e6, bytes: 5e6, ms: [2, 3, 4] };

describe('statistics', () => {
  it.each([[[3, 1, 2], 2], [[4, 1, 2, 3], 2.5], [[7], 7]])('median(%j)', (values, middle) => expect(median(values)).toBe(middle));

  it('sigma() is 0 for one value and not moved by one outlier', () => {
    expect(sigma([5])).toBe(0);
    expect(sigma([1, 2, 3, 4, 1000])).toBeCloseTo(1.4826, 12);
  });
});

describe('roofline', () => {
  it('the bound is the longer of computing and reading', () => {
    expect(boundMs(row, limits)).toBe(1);
    expect(boundMs({ ...row, bytes: 20e6 }, limits)).toBe(2);
    expect(boundMs({ ...row, op: 'gemmF32' }, limits)).toBe(4);
  });

  it('kernelCells() shows the median round', () => {
    expect(kernelCells(row, limits).slice(5)).toEqual(['3000', '26.7', '33 %', '1.7', '17 %', '33 %']);
    expect(kernelCells({ ...row, macs: 0 }, limits).slice(6, 8)).toEqual(['-', '-']);
  });

  it('a model is bound by either limit of its threads', () => {
    const figure = { name: 'tg', threads: 2, unit: 'tok/s' as const, samples: [100], path: 'simd128' as const, macs: 1e6, bytes: 8e7 };
    expect(boundRate(figure, limits)).toBeCloseTo(200, 9);
    expect(modelShares(figure, limits)[0]).toBeCloseTo(0.5, 9);
    expect(modelShares({ ...figure, macs: 0 }, limits)).toEqual([]);
  });
});

describe('output', () => {
  it.each([
    [{ cpu: 'Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz', cores: 4 }, 'intel-xeon-e5-2680-v4-x4'],
    [{ cpu: 'AMD EPYC', cores: 2 }, 'amd-epyc-x2'],
  ])('machineName(%j)', (machine, name) => expect(machineName(machine)).toBe(name));

  it('markdown() aligns columns whose title says so', () => expect(markdown(['a', '>b'], [['x', '1']])).toBe('| a | b |\n| --- | ---: |\n| x | 1 |\n'));

  it('SVG text and attributes are escaped', () => {
    expect(escape('<a & "b">')).toBe('&#60;a &#38; &#34;b&#34;&#62;');
    expect(element('a', { b: '"><script>' })).toBe('<a b="&#34;&#62;&#60;script&#62;"/>');
    const machine = { cpu: '<X>', cores: 2, os: 'linux x64', node: '24', date: '2026-01-01' };
    const svg = rooflineSvg({ bench: 'kernels', machine, limits, rows: [row] });
    expect(svg).toContain('W4A8 &#60;&#34;&#38;&#39;&#62; attn.o, 4 tokens');
    expect(svg).not.toMatch(/<X>|NaN|undefined/);
  });
});
