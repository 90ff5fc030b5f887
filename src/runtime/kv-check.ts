import { TetradError } from '../core/errors.ts';
import { hadamard } from '../core/hadamard.ts';
import { isCodes, type KvFormat } from '../formats/number-format.ts';
import type { Manifest } from '../models/image.ts';

/** Throws `invalid_argument` where a model cannot run with a KV cache of this format. */
export function checkKv({ config, kv: own }: Pick<Manifest, 'config' | 'kv'>, kv: KvFormat): void {
  if (!isCodes(kv)) return;
  const fail = (problem: string): never => {
    throw new TetradError('invalid_argument', `Cannot use a KV cache of ${kv.bits} bits per ${kv.per === 'token' ? 'token' : 'channel'}: ${problem}`);
  };
  if (kv.rotate && kv.rope === 'before') fail('rotate is true where rope is "before", needed is "after"');
  if (kv.rotate && !hadamard(config.headDim)) fail(`it is rotated, and there is no Hadamard matrix for heads of ${config.headDim} channels`);
  const made = isCodes(own) && own.per === 'static' && own.bits === kv.bits && own.rope === kv.rope && own.rotate === kv.rotate;
  if (kv.per === 'static' && !made) fail('the model has no constants for it, needed is one that was quantised for this cache');
}
