import { buildCommand } from '@stricli/core';
import { jsonLine, type CliContext } from '../context.ts';
import type { Description } from '../engine.ts';
import { jsonFlag, modelArgument, type JsonFlag } from '../flags.ts';
import { bytes, pairs, parameters } from '../format.ts';
import { formats, parameterCount } from '../model-facts.ts';

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function render({ config, tokenizer, provenance, manifest }: Description): string {
  const { arch, name, layers, hidden, heads, kvHeads, headDim, ffn, vocab, context, tied } = config;
  const model = [
    ['architecture', arch], ['name', name], ['parameters', parameters(parameterCount(config))], ['context length', String(context)],
    ['layers', String(layers)], ['hidden', String(hidden)], ['heads', `${heads} (${kvHeads} key-value) of ${headDim}`], ['feed forward', String(ffn)],
    ['vocabulary', `${vocab}${tied ? ', output tied to the embedding' : ''}`], ['chat template', tokenizer.chatTemplate === null ? 'none' : 'yes'],
  ] as const;
  const packed = manifest && [
    ['size', bytes(manifest.bytes)], ['blocks', formats(manifest).blocks], ['output layer', formats(manifest).output],
    ['KV cache', `${manifest.kv} bits`], ['format version', String(manifest.version)],
  ] as const;
  const origin = Object.entries(provenance).filter(([, value]) => value !== null).map(([key, value]) => [key, text(value)] as const);
  return `Model\n${pairs(model)}${packed ? `\nContainer\n${pairs(packed)}` : ''}\nOrigin\n${pairs(origin)}`;
}

async function show(this: CliContext, { json }: JsonFlag, model?: string): Promise<void> {
  const description = await (await this.engine()).describe(model ?? null, this.signal);
  const { config, provenance, manifest } = description;
  this.process.stdout.write(json
    ? jsonLine({
      config, parameters: parameterCount(config), provenance, chatTemplate: description.tokenizer.chatTemplate,
      container: manifest && { bytes: manifest.bytes, kv: manifest.kv, version: manifest.version, formats: formats(manifest) },
    })
    : render(description));
}

export const showCommand = buildCommand<JsonFlag, [model?: string], CliContext>({
  func: show,
  parameters: { flags: jsonFlag, positional: { kind: 'tuple', parameters: [modelArgument] } },
  docs: { brief: 'Describe a model without loading it' },
});
