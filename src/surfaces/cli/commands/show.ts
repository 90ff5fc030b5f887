import { buildCommand } from '@stricli/core';
import { jsonLine, type CliContext } from '../context.ts';
import type { Description } from '../engine.ts';
import { jsonFlag, modelArgument, modelFlags, type JsonFlag, type ModelFlags } from '../flags.ts';
import { bytes, pairs, parameters } from '../format.ts';
import { cacheText, formats, parameterCount } from '../model-facts.ts';

interface Flags extends Pick<ModelFlags, 'offline'>, JsonFlag {}

/** Provenance is free text and data; of data with a name, such as a recipe, the name will do. */
function text(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'name' in value) return String(value.name);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function packed({ manifest, estimate }: NonNullable<Description['container']>): (readonly [name: string, value: string])[] {
  const { blocks, output } = formats(manifest);
  return [
    ['size', bytes(manifest.bytes)], ['blocks', blocks], ['output layer', output], ['KV cache', cacheText(manifest.kv)],
    ['memory', `${bytes(estimate.total)} with the default context`], ['format version', String(manifest.version)],
  ];
}

function facts({ config, tokenizer, provenance, container }: Description): Record<string, unknown> {
  const { bytes: size, kv, version } = container?.manifest ?? {};
  return {
    config, parameters: parameterCount(config), provenance, chatTemplate: tokenizer.chatTemplate,
    container: container && { bytes: size, kv, version, formats: formats(container.manifest), estimate: container.estimate },
  };
}

function render({ config, tokenizer, provenance, container }: Description): string {
  const { arch, name, layers, hidden, heads, kvHeads, headDim, ffn, vocab, context, tied } = config;
  const model = [
    ['architecture', arch], ['name', name], ['parameters', parameters(parameterCount(config))], ['context length', String(context)],
    ['layers', String(layers)], ['hidden', String(hidden)], ['heads', `${heads} (${kvHeads} key-value) of ${headDim}`], ['feed forward', String(ffn)],
    ['vocabulary', `${vocab}${tied ? ', output tied to the embedding' : ''}`], ['chat template', tokenizer.chatTemplate === null ? 'none' : 'yes'],
  ] as const;
  const origin = Object.entries(provenance).filter(([, value]) => value !== null).map(([key, value]) => [key, text(value)] as const);
  return `Model\n${pairs(model)}${container ? `\nContainer\n${pairs(packed(container))}` : ''}\nOrigin\n${pairs(origin)}`;
}

async function show(this: CliContext, { json, offline }: Flags, model?: string): Promise<void> {
  const description = await (await this.engine()).describe(model ?? null, { signal: this.signal, offline });
  this.process.stdout.write(json ? jsonLine(facts(description)) : render(description));
}

export const showCommand = buildCommand<Flags, [model?: string], CliContext>({
  func: show,
  parameters: { flags: { offline: modelFlags.offline, ...jsonFlag }, positional: { kind: 'tuple', parameters: [modelArgument] } },
  docs: { brief: 'Describe a model without loading it', customUsage: ['[MODEL] [--offline] [--json]'] },
});
