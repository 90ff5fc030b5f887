import { availableParallelism, cpus, totalmem } from 'node:os';
import { buildCommand } from '@stricli/core';
import { jsonLine, type CliContext } from '../context.ts';
import { jsonFlag, type JsonFlag } from '../flags.ts';
import { bytes, pairs } from '../format.ts';

/** Most bytes that one WebAssembly memory addresses. */
const MODULE_LIMIT = 2 ** 32;

async function info(this: CliContext, { json }: JsonFlag): Promise<void> {
  const { stdout } = this.process;
  const kernels = await (await this.engine()).kernels();
  const { paths } = kernels;
  const relaxed = paths.some(({ isa, fault }) => isa !== 'simd128' && fault === null);
  const facts = {
    engine: { name: 'node', version: process.versions.node, v8: process.versions.v8, platform: process.platform, arch: process.arch },
    machine: { processor: cpus()[0]?.model.trim() ?? '', parallelism: availableParallelism(), memory: totalmem() },
    features: { simd: paths.some(({ fault }) => fault === null), relaxedSimd: relaxed, sharedMemory: typeof SharedArrayBuffer !== 'undefined' },
    kernels,
    limits: { moduleMemory: MODULE_LIMIT },
  };
  if (json) {
    stdout.write(jsonLine(facts));
    return;
  }
  const { engine, machine, features } = facts;
  const yes = (value: boolean): string => (value ? 'yes' : 'no');
  stdout.write(`Engine\n${pairs([
    ['engine', `Node.js ${engine.version}, V8 ${engine.v8}, ${engine.platform} ${engine.arch}`],
    ['processor', `${machine.processor}, ${machine.parallelism} threads`], ['memory', bytes(machine.memory)],
    ['threads', `${kernels.threads} unless said otherwise`],
    ['features', `SIMD ${yes(features.simd)}, relaxed SIMD ${yes(features.relaxedSimd)}, shared memory ${yes(features.sharedMemory)}`],
    ['limit', `${bytes(MODULE_LIMIT)} of memory for one model`],
  ])}\nKernels (self-test)\n${pairs(kernels.paths.map(({ isa, fault, gmacs }) => [isa, fault ?? `${gmacs.toFixed(1)} GMAC/s${isa === kernels.chosen ? ', chosen' : ''}`]))}`);
}

export const infoCommand = buildCommand<JsonFlag, [], CliContext>({
  func: info,
  parameters: { flags: jsonFlag },
  docs: { brief: 'Tell what this engine can do', customUsage: ['[--json]'] },
});
