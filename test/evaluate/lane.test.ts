import { describe, expect, it } from 'vitest';
import { BASE, runJobs, type Job, type Lane, type StoreJob } from '../../src/evaluate/jobs.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { LocalLane } from '../../src/surfaces/adapters/evaluation/lane.ts';
import type { ModelSpec } from '../../src/surfaces/adapters/evaluation/setup.ts';
import { opener } from '../../src/surfaces/adapters/node.ts';
import { decoderOf } from '../../src/surfaces/loader.ts';
import { tinyStore } from '../support/tiny-model.ts';

const open = await opener();
const never = new AbortController().signal;

/** The tiny model; under the source `nan` its last norm overflows. */
function storeOf({ source }: ModelSpec) {
  const store = tinyStore();
  if (source !== 'nan') return store;
  return { ...store, tensor: (name: string) => ({ ...store.tensor(name), ...(name === 'norm' && { read: async () => new Float32Array(store.config.hidden).fill(3e38) }) }) };
}

const laneOf = (source: string, base: string | null): LocalLane =>
  new LocalLane({ candidates: { model: { source }, other: { source, recipe: 'w8a8' } }, base: base === null ? null : { source: base, recipe: 'f32' }, context: 16, threads: 1 }, (spec, settings) =>
    decoderOf(quantize(storeOf(spec), recipe(String(spec.recipe ?? 'w4a8'))), { ...settings, kv: 32, open }));

const window = { kind: 'window', window: 4, tokens: Int32Array.of(1, 2, 3, 4, 5), candidates: ['model'] } as const;

describe('LocalLane', () => {
  it('gives the base and the candidates that a job names', async () => {
    await using lane = laneOf('tiny', 'tiny');
    const both = await lane.run({ ...window, candidates: ['other', 'model'] }, never);
    expect(both.map(({ name }) => name)).toEqual([BASE, 'other', 'model']);
    expect(both[0]!.kl).toEqual(new Float64Array(4));
    expect(both[1]!.bytes).toBeLessThan(both[0]!.bytes);
    expect(both[2]!.kl[0]).toBeGreaterThan(0);
    const [alone] = await laneOf('tiny', null).run(window, never);
    expect([alone!.nll, alone!.kl.length]).toEqual([both[2]!.nll, 0]);
  });

  it.each([
    ['window', 'log-likelihood of token 1 of window 5 is NaN', window],
    ['questions', 'a log-likelihood of item q is NaN', { kind: 'items', candidate: 'model', items: [{ context: [1], choices: [[2], [3]], id: 'q' }] }],
  ] as const)('refuses a model whose figures are no numbers: %s', async (_, message, job) => {
    await using lane = laneOf('nan', null);
    await expect(lane.run<Job>(job, never)).rejects.toMatchObject({ code: 'invalid_file', message: expect.stringContaining(message) });
  });

  it('names the base where that is the model at fault', async () => {
    await using lane = laneOf('tiny', 'nan');
    await expect(lane.run(window, never)).rejects.toThrow('Cannot evaluate base:');
  });
});

describe('runJobs()', () => {
  const jobs = Array.from({ length: 5 }, (_, i): StoreJob => ({ kind: 'store', candidate: 'model', window: i, tokens: new Int32Array(0), file: '' }));
  const laneThat = (run: (job: StoreJob, signal: AbortSignal) => Promise<number>): Lane => ({
    run: (async (job: StoreJob, signal: AbortSignal) => ({ sum: await run(job, signal), nll: 0 })) as unknown as Lane['run'],
  });

  it('gives each job to the lane that is free', async () => {
    const ran: string[] = [];
    let release = (): void => {};
    const blocked = new Promise<void>((resolve) => (release = resolve));
    const slow = laneThat(async (job) => {
      await blocked;
      return ran.push(`slow ${job.window}`);
    });
    const quick = laneThat(async (job) => {
      if (job.window === 4) release();
      return ran.push(`quick ${job.window}`);
    });
    const done: number[] = [];
    await runJobs([slow, quick], jobs, ({ window: number }) => done.push(number), never);
    expect(ran.filter((line) => line.startsWith('quick'))).toEqual(['quick 1', 'quick 2', 'quick 3', 'quick 4']);
    expect(done.toSorted()).toEqual([0, 1, 2, 3, 4]);
  });

  it('ends all lanes at the first failure, and tells that failure', async () => {
    const waiting = laneThat((_, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('stopped')))));
    const failing = laneThat(() => Promise.reject(new Error('first')));
    await expect(runJobs([waiting, failing], jobs, () => {}, never)).rejects.toThrow('first');
  });

  it('tells the reason of an abort', async () => {
    const stop = new AbortController();
    const lane = laneThat(async () => {
      stop.abort('SIGINT');
      throw new Error('torn down');
    });
    await expect(runJobs([lane], jobs, () => {}, stop.signal)).rejects.toBe('SIGINT');
  });
});
