import { buildCommand } from '@stricli/core';
import type { ModelFacts } from '../../adapters/model-cache.ts';
import { jsonLine, type CliContext } from '../context.ts';
import { jsonFlag, type JsonFlag } from '../flags.ts';
import { age, aligned, bytes } from '../format.ts';

const ID = 12;

export const factsJson = ({ name, digest, kind, bytes: size, files, time }: ModelFacts): Record<string, unknown> => ({
  name, id: digest?.slice(0, ID) ?? null, digest, kind, bytes: size, files, modified: new Date(time).toISOString(),
});

async function list(this: CliContext, { json }: JsonFlag): Promise<void> {
  const { stdout } = this.process;
  const all = await (await this.engine()).models.list();
  if (json) {
    stdout.write(jsonLine(all.map(factsJson)));
    return;
  }
  const now = Date.now();
  const rows = all.map(({ name, digest, bytes: size, time }) => (digest === null ? [name, '-', 'unfinished', age(now - time)] : [name, digest.slice(0, ID), bytes(size), age(now - time)]));
  stdout.write(aligned([['NAME', 'ID', 'SIZE', 'MODIFIED'], ...rows]));
}

export const listCommand = buildCommand<JsonFlag, [], CliContext>({
  func: list,
  parameters: { flags: jsonFlag },
  docs: { brief: 'List the models in the cache', customUsage: ['[--json]'] },
});
