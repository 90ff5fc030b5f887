import { describe, expect, it } from 'vitest';
import { drafts, integerIn, integerList, integerOrAuto, kvBits, numberIn } from '../../src/surfaces/cli/parse.ts';

describe('flag values', () => {
  it.each(['', ' 1', '0x10', '1e', 'NaN', 'Infinity', '1,5', '-0.1', '1.1'])('numberIn(0, 1) refuses %j', (text) => {
    expect(() => numberIn(0, 1)(text)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });

  it('numberIn() and integerIn() take decimal numbers in range', () => {
    expect([numberIn(0, 1)('.5'), numberIn(0, 1)('1e-1'), integerIn(-2)('-2'), integerIn(0, 7)('7')]).toEqual([0.5, 0.1, -2, 7]);
    expect(() => integerIn(0)('1.5')).toThrow('"1.5" found, needed is an integer from 0 on');
  });

  it('integerOrAuto() and kvBits() take their words only', () => {
    expect([integerOrAuto(1, 8)('auto'), integerOrAuto(1, 8)('8'), kvBits('4')]).toEqual(['auto', 8, 4]);
    expect(() => integerOrAuto(1, 8)('9')).toThrow('from 1 to 8');
    expect(() => kvBits('16')).toThrow('4, 8 or 32');
  });

  it('drafts() takes auto, off and how many', () => {
    expect([drafts(7)('auto'), drafts(7)('off'), drafts(7)('7')]).toEqual(['auto', false, 7]);
    for (const text of ['0', '8', 'on', '1.5']) expect(() => drafts(7)(text)).toThrow(`${JSON.stringify(text)} found, needed is auto, off or an integer from 1 to 7`);
  });

  it.each([
    ['512', [512]],
    ['1,2,4', [1, 2, 4]],
    ['1-4', [1, 2, 3, 4]],
    ['0-10+5', [0, 5, 10]],
    ['1-16*2', [1, 2, 4, 8, 16]],
    ['8,1-3', [8, 1, 2, 3]],
  ])('integerList() reads %s', (text, values) => expect(integerList(0)(text)).toEqual(values));

  it.each(['', '1,,2', '4-1', '1-8*1', '0-8*2', '1-8+0', '0-99999999', '-1', '1-'])('integerList() refuses %j', (text) => {
    expect(() => integerList(0)(text)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });
});
