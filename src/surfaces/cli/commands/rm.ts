import { buildCommand } from '@stricli/core';
import type { CliContext } from '../context.ts';
import { remoteArgument } from '../flags.ts';

async function rm(this: CliContext, _flags: Record<never, never>, ...names: string[]): Promise<void> {
  const { models } = await this.engine();
  for (const name of names) {
    await models.remove(name);
    this.process.stderr.write(`deleted '${name}'\n`);
  }
}

export const rmCommand = buildCommand<Record<never, never>, string[], CliContext>({
  func: rm,
  parameters: { flags: {}, positional: { kind: 'array', parameter: remoteArgument, minimum: 1 } },
  docs: { brief: 'Remove models from the cache', customUsage: ['NAME...'] },
});
