import { TetradError } from '../../core/errors.ts';

/** Parsers of flag values. Each throws `invalid_argument`, which the command line turns into exit code 2. */
const invalid = (found: string, needed: string): TetradError => new TetradError('invalid_argument', `${JSON.stringify(found)} found, needed is ${needed}`);

/** Decimal numbers only: no hexadecimal, no blanks. */
function decimal(text: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
}

export function numberIn(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = decimal(text);
    if (value >= least && value <= most) return value;
    throw invalid(text, most === Infinity ? `a number from ${least} on` : `a number from ${least} to ${most}`);
  };
}

export function integerIn(least: number, most: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = decimal(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw invalid(text, most === Number.MAX_SAFE_INTEGER ? `an integer from ${least} on` : `an integer from ${least} to ${most}`);
  };
}

/** An integer, or `auto`. */
export function integerOrAuto(least: number, most: number): (text: string) => number | 'auto' {
  const integer = integerIn(least, most);
  return (text) => (text === 'auto' ? 'auto' : integer(text));
}

/** `auto`, `off`, or an integer. */
export function drafts(most: number): (text: string) => 'auto' | false | number {
  return (text) => {
    if (text === 'auto') return text;
    if (text === 'off') return false;
    const value = decimal(text);
    if (Number.isInteger(value) && value >= 1 && value <= most) return value;
    throw invalid(text, `auto, off or an integer from 1 to ${most}`);
  };
}

export function kvBits(text: string): 4 | 8 | 32 {
  const value = decimal(text);
  if (value === 4 || value === 8 || value === 32) return value;
  throw invalid(text, '4, 8 or 32');
}

/** Paths with commas in between. */
export function fileList(text: string): readonly string[] {
  const paths = text.split(',');
  if (paths.includes('')) throw invalid(text, 'one path or several with commas in between');
  return paths;
}

const MOST_VALUES = 1000;

/** llama-bench's lists: `1,2,4`, ranges `first-last`, `first-last+step` and `first-last*factor`. */
export function integerList(least: number, most?: number): (text: string) => readonly number[] {
  const integer = integerIn(least, most);
  return (text) => {
    const values = text.split(',').flatMap((item) => {
      const range = /^(\d+)-(\d+)(?:([+*])(\d+))?$/.exec(item);
      if (!range) return [integer(item)];
      const [from, to, step] = [integer(range[1]!), integer(range[2]!), Number(range[4] ?? 1)];
      if (from > to || step < (range[3] === '*' ? 2 : 1) || (range[3] === '*' && from === 0)) throw invalid(item, 'a range that grows to its end');
      const items: number[] = [];
      for (let value = from; value <= to && items.length <= MOST_VALUES; value = range[3] === '*' ? value * step : value + step) items.push(value);
      return items;
    });
    if (values.length > MOST_VALUES) throw invalid(text, `at most ${MOST_VALUES} values`);
    return values;
  };
}
