import type { ByteDirectory, ByteSource } from '../core/bytes.ts';
import { TetradError } from '../core/errors.ts';
import { architecture } from '../models/arch.ts';
import type { WeightStore } from '../models/weights.ts';
import { tokenizerFromGguf } from '../tokenizer/gguf-vocab.ts';
import { tokenizerFromHf } from '../tokenizer/hf.ts';
import { Fields } from './fields.ts';
import { ggufConfig } from './gguf/config.ts';
import { readGgufHeader } from './gguf/header.ts';
import { readJson, readOptionalJson, readWhole } from './json.ts';
import { hfConfig } from './safetensors/config.ts';
import { readSafetensors } from './safetensors/shards.ts';
import { weightStore } from './store.ts';

/** The last part of a path or URL. */
const baseName = (path: string): string => path.split(/[\\/]/).findLast((part) => part !== '') ?? path;

const closeAll = async (sources: readonly ByteSource[]): Promise<void> => {
  for (const source of sources) await source.close?.();
};

/** Runs `open`, closing `sources` if it fails: a store owns what it reads from. */
async function owning(sources: readonly ByteSource[], open: () => Promise<WeightStore>): Promise<WeightStore> {
  try {
    return await open();
  } catch (error) {
    await closeAll(sources);
    throw error;
  }
}

/**
 * Opens a GGUF file as a checkpoint; only its header is read. The store owns `source`, which is closed if this rejects.
 * Rejects with `invalid_file`, `unsupported_version`, `unsupported_type`, `unsupported_model` or `missing_tensor`.
 */
export function openGguf(source: ByteSource, signal?: AbortSignal): Promise<WeightStore> {
  return owning([source], async () => {
    const header = await readGgufHeader(source, signal);
    const { metadata, tensors } = header;
    const general = new Fields(source.name, (key) => metadata.get(`general.${key}`));
    const arch = architecture('gguf', general.text('architecture'));
    if (Number(metadata.get('split.count') ?? 1) > 1) {
      throw new TetradError('unsupported_model', `Cannot import ${source.name}: it is one part of several, needed a GGUF file that holds the whole model`);
    }
    const file = baseName(source.name);
    const config = await ggufConfig(header, arch, source.name, file, signal);
    const tokenizer = tokenizerFromGguf(metadata);
    const provenance = { source: file, format: 'gguf', license: general.text('license', '') || null } as const;
    return weightStore({ arch, config, tokenizer, provenance, tensors, naming: 'gguf', close: () => closeAll([source]) });
  });
}

/**
 * Opens a Hugging Face directory of safetensors as a checkpoint; only headers and JSON files are read.
 * Rejects as `openGguf` does, and with `not_found` where a file is missing.
 */
export function openSafetensors(dir: ByteDirectory, signal?: AbortSignal): Promise<WeightStore> {
  const opened: ByteSource[] = [];
  return owning(opened, async () => {
    const json = await readJson(dir, 'config.json', signal);
    const file = `${dir.name}/config.json`;
    const names = json['architectures'];
    const arch = architecture('hf', new Fields(file, () => (Array.isArray(names) ? names[0] : names)).text('architectures'));
    const config = hfConfig(json, arch, file, baseName(dir.name));
    const tensors = await readSafetensors(dir, opened, signal);
    const tokenizer = tokenizerFromHf({
      tokenizer: await readJson(dir, 'tokenizer.json', signal),
      tokenizerConfig: await readOptionalJson(dir, 'tokenizer_config.json', signal),
      generationConfig: (await readOptionalJson(dir, 'generation_config.json', signal)) ?? json,
      chatTemplate: (await dir.has('chat_template.jinja')) ? new TextDecoder().decode(await readWhole(dir, 'chat_template.jinja', signal)) : null,
    });
    const provenance = { source: baseName(dir.name), format: 'safetensors', license: null } as const;
    return weightStore({ arch, config, tokenizer, provenance, tensors, naming: 'hf', close: () => closeAll(opened) });
  });
}
