import { buildCommand } from '@stricli/core';
import { jsonLine, type CliContext } from '../context.ts';
import { jsonFlag, remoteArgument, type JsonFlag } from '../flags.ts';
import { ProgressBar } from '../progress.ts';
import { factsJson } from './list.ts';

const LONGEST = 24;

/** What the bar calls a model: the end of its name. */
const label = (name: string): string => (name.replace(/\/+$/, '').split('/').at(-1) || name).slice(0, LONGEST);

async function pull(this: CliContext, { json }: JsonFlag, name: string): Promise<void> {
  const { process: { stdout, stderr }, signal, now } = this;
  const { models } = await this.engine();
  const bar = new ProgressBar(stderr, now);
  try {
    const facts = await models.pull(name, {
      signal,
      onProgress: ({ loaded, total }) => bar.update({ stage: `pulling ${label(name)}`, loaded, total }),
      onStage: (stage) => {
        bar.finish();
        if (!stderr.isTTY || stage !== 'pulling files') stderr.write(`${stage}\n`); // the bar says it on a terminal
      },
    });
    stderr.write('success\n');
    if (json) stdout.write(jsonLine(factsJson(facts)));
  } finally {
    bar.finish();
  }
}

export const pullCommand = buildCommand<JsonFlag, [name: string], CliContext>({
  func: pull,
  parameters: { flags: jsonFlag, positional: { kind: 'tuple', parameters: [remoteArgument] } },
  docs: {
    brief: 'Download a model into the cache, or bring it up to date',
    customUsage: ['NAME [--json]'],
    fullDescription: 'Downloads what is missing, changed or damaged, and goes on where an interrupted download was. HF_TOKEN opens gated repositories, HF_ENDPOINT names another hub, TETRAD_CACHE the folder.',
  },
});
