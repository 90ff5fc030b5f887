import { describe, expect, it } from 'vitest';
import { KERNELS } from '../../src/kernels/manifest.ts';
import { isCode, matches, sources } from './sources.ts';

const methods = ['atom', 'quik', 'qserve', 'qoq', 'gptq', 'smoothquant', 'rptq', 'spqr', 'svdquant', 'marlin', 'comet', 'quarot', 'dgq', 'omniquant'];
const capital = (name: string): string => name[0]!.toUpperCase() + name.slice(1);

/** A method's name as a word or as a part of a camelCase or snake_case name; not inside another word (`atomic`). */
const methodName = new RegExp(
  `(?<![A-Za-z])(?:${methods.join('|')})(?![a-z])|(?:${[...methods.map(capital), ...methods.map((name) => name.toUpperCase()), 'QoQ', 'SmoothQuant'].join('|')})(?![a-z])`,
  'g',
);

/** `<op>_<types>[_<MR>x<NR>c<KR>]_<isa>`; a type is a width and a scale letter (`i8t`, `u4`), or only the letter where the segment states the width. */
const kernelName = /^[a-z]+(_[a-z]+)*?(_([iu](2|3|4|6|8|16|32)?|f16|f32)[tcgphx]?)+(_\d+x\d+c\d+)?_(simd128|relaxed|relaxed_i16|relaxed_i32|wgsl)$/;

describe('names', () => {
  it('no quantisation method is named where only its outcome may be known', () => {
    const files = sources(isCode, 'src/runtime', 'src/backends', 'src/container', 'assembly');
    expect(files.length).toBeGreaterThan(5);
    expect(files.flatMap((file) => matches(file, `${file.path}\n${file.text}`, methodName))).toEqual([]);
  });

  it.each([['the atom recipe', true], ['runGptq', true], ['qoq_dot', true], ['GPTQ (2022)', true], ['Atomics.wait', false], ['an atomic add', false]])(
    'the pattern judges %j', (text, found) => expect(text.match(methodName) !== null).toBe(found),
  );

  it('kernel symbols state operation, types and instruction path', () => {
    expect(KERNELS.filter(({ name, isa }) => !kernelName.test(name) || !name.endsWith(`_${isa.replace('-', '_')}`))).toEqual([]);
    expect(new Set(KERNELS.map(({ name }) => name)).size).toBe(KERNELS.length);
  });

  it('no machine path, registry host or note to oneself is in any text file', () => {
    const traces = /(?<![\w./])\/(?:work|root|home\/\w+|Users\/\w+)\/|[A-Z]:\\Users\\|registry\.(?:npmjs|yarnpkg)\.|pypi\.org|pythonhosted\.org|\b(?:TODO|FIXME|XXX|HACK)\b/g;
    const files = sources((path) => path !== 'test/architecture/names.test.ts' && !path.endsWith('/model.json')); // a vocabulary holds any word
    expect(files.flatMap((file) => matches(file, file.text, traces))).toEqual([]);
  });
});
