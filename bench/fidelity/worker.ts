// Child process of fidelity.ts: loads the models that it is asked for and compares windows.
import { compareWindow } from '../../src/evaluate/divergence.ts';
import { openGguf } from '../../src/importers/open.ts';
import { fileSource } from '../../src/surfaces/adapters/files.ts';
import { opener } from '../../src/surfaces/adapters/node.ts';
import { BASE, loadCandidate, type LoadedCandidate } from './candidates.ts';
import { encodeFigures, type WindowRecord } from './records.ts';

export interface Job {
  readonly gguf: string;
  readonly window: number;
  readonly tokens: readonly number[];
  readonly candidates: readonly string[];
}

export type JobRecord = Omit<WindowRecord, 'build' | 'model' | 'context'>;

const open = await opener();
const models = new Map<string, LoadedCandidate>();

async function model(job: Job, candidate: string): Promise<LoadedCandidate> {
  const known = models.get(candidate);
  if (known) return known;
  const store = await openGguf(await fileSource(job.gguf));
  try {
    const loaded = await loadCandidate(store, candidate, job.tokens.length, open);
    models.set(candidate, loaded);
    return loaded;
  } finally {
    await store.close();
  }
}

async function run(job: Job): Promise<JobRecord[]> {
  const base = await model(job, BASE);
  const candidates: LoadedCandidate[] = [];
  for (const candidate of job.candidates) candidates.push(await model(job, candidate));
  const { baseNll, candidates: figures } = await compareWindow(base.evaluator, candidates.map(({ evaluator }) => evaluator), Int32Array.from(job.tokens));
  const count = baseNll.length;
  const own = { nll: baseNll, kl: new Float64Array(count), sameTop: new Uint8Array(count).fill(1), change: new Float64Array(count) };
  return [BASE, ...job.candidates].map((candidate, i) => ({
    window: job.window, candidate, bytes: models.get(candidate)!.bytes, ...encodeFigures(i === 0 ? own : figures[i - 1]!),
  }));
}

process.on('message', (job: Job) => {
  run(job).then(
    (records) => process.send!(records),
    (error: unknown) => {
      process.stderr.write(`Error: ${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit(0));
