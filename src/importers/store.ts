import type { TokenizerData } from '../core/tokenizer-data.ts';
import { TetradError, type ErrorCode } from '../core/errors.ts';
import { expectedTensors, type ArchRow } from '../models/arch.ts';
import type { ModelConfig } from '../models/config.ts';
import type { Provenance, WeightStore, WeightTensor } from '../models/weights.ts';
import { weightTensor, type StoredTensor } from './stored-tensor.ts';

/** What an importer has read of a checkpoint. */
export interface Checkpoint {
  readonly arch: ArchRow;
  readonly config: ModelConfig;
  readonly tokenizer: TokenizerData;
  readonly provenance: Provenance;
  /** Under the names of the file. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly naming: 'gguf' | 'hf';
  close(): Promise<void>;
}

/** Brings a checkpoint's tensors under canonical names; rejects a checkpoint with a tensor too few, too many or of another shape. */
export function weightStore(checkpoint: Checkpoint): WeightStore {
  const { arch, config, tensors, naming, provenance } = checkpoint;
  const refused = (code: ErrorCode, found: string): TetradError => new TetradError(code, `Cannot import ${provenance.source}: ${found}`);
  const interleaved = naming === 'gguf' && arch.ggufInterleaved;
  if ((checkpoint.tokenizer.bos ?? 0) >= config.vocab) {
    throw refused('invalid_file', `its text begins with token ${checkpoint.tokenizer.bos}, needed one below ${config.vocab}`);
  }
  const found = new Map<string, WeightTensor>();
  const known = new Set<string>();
  for (const expected of expectedTensors(arch, config)) {
    const name = expected[naming];
    const stored = tensors.get(name);
    if (!stored) throw refused('missing_tensor', `it has no tensor "${name}"`);
    if (stored.rows !== expected.rows || stored.cols !== expected.cols) {
      throw refused('invalid_file', `tensor "${name}" has the shape [${stored.rows}, ${stored.cols}], needed [${expected.rows}, ${expected.cols}]`);
    }
    known.add(name);
    found.set(expected.name, weightTensor(expected.name, stored, interleaved && expected.rotary ? config.headDim : null));
  }
  for (const name of tensors.keys()) {
    if (known.has(name) || arch.ignored.test(name)) continue;
    throw refused('unsupported_model', `tensor ${JSON.stringify(name)} has no place in the ${arch.id} architecture`);
  }
  return {
    config,
    tokenizer: checkpoint.tokenizer,
    provenance,
    has: (name) => found.has(name),
    tensor(name) {
      const tensor = found.get(name);
      if (!tensor) throw new TetradError('missing_tensor', `Cannot find tensor ${JSON.stringify(name)} in ${provenance.source}`);
      return tensor;
    },
    close: () => checkpoint.close(),
  };
}
