import { TetradError } from '../core/errors.ts';

export const invalid = (file: string, problem: string, options?: ErrorOptions): TetradError =>
  new TetradError('invalid_file', `Cannot read ${file}: ${problem}`, options);
