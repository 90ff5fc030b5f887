import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { runJobs, type Job, type Outcome } from '../../../evaluate/jobs.ts';
import { Tokenizer } from '../../../tokenizer/tokenizer.ts';
import { digestOf } from '../../adapters/evaluation/digest.ts';
import type { EvaluationSetup, ModelSpec } from '../../adapters/evaluation/setup.ts';
import { WorkFile } from '../../adapters/evaluation/work-file.ts';
import { recipeFrom } from '../../adapters/recipe-file.ts';
import type { CliContext } from '../context.ts';
import type { Description, Engine } from '../engine.ts';
import type { JsonFlag, ModelFlags } from '../flags.ts';
import { withProgress } from '../open.ts';
import { notes } from '../threads.ts';
import { DEFAULT_CONTEXT, EXACT, readText } from './inputs.ts';

export interface EvalFlags extends ModelFlags, JsonFlag {
  readonly text?: string;
  readonly windows?: number;
  readonly base?: string;
  readonly baseFile?: string;
  readonly saveBase?: string;
  readonly baseTop?: number;
  readonly tasks?: readonly string[];
  readonly limit?: number;
  readonly layers: boolean;
  readonly svg?: string;
  readonly resume?: string;
  readonly workers?: number;
  readonly verbose: boolean;
}

/** Name of the model under evaluation among a setup's candidates. */
export const MODEL = 'model';

/** What the parts of one run of the command share. */
export class Session {
  readonly context: CliContext;
  readonly engine: Engine;
  readonly flags: EvalFlags;
  readonly source: string | null;
  readonly spec: ModelSpec;
  readonly description: Description;
  readonly tokenizer: Tokenizer;
  readonly onNote: (note: string) => void;
  /** Tells the model, as it is packed, from others. */
  readonly identity: string;
  /** Figures that are kept. */
  readonly work: WorkFile;

  private constructor(parts: Pick<Session, 'context' | 'engine' | 'flags' | 'source' | 'spec' | 'description' | 'identity'>) {
    ({ context: this.context, engine: this.engine, flags: this.flags, source: this.source, spec: this.spec, description: this.description } = parts);
    this.identity = parts.identity;
    this.tokenizer = new Tokenizer(parts.description.tokenizer);
    this.onNote = notes(parts.context);
    const { text, base, baseFile, tasks, context, resume } = parts.flags;
    const command = digestOf(this.identity, text, base, baseFile, tasks, context).slice(0, 16);
    this.work = new WorkFile(resume ?? join(tmpdir(), `tetrad-eval-${command}.jsonl`));
  }

  static async open(context: CliContext, flags: EvalFlags, source: string | null): Promise<Session> {
    const engine = await context.engine();
    const { offline, base } = flags;
    for (const name of [source, base ?? null]) await withProgress(context, (options) => engine.prepare(name, { ...options, offline })); // before lanes all ask for it
    const description = await engine.describe(source, { signal: context.signal, offline });
    const own = { recipe: await recipeFrom(flags.recipe), kv: flags.kv };
    const spec: ModelSpec = { source, ...(flags.saveBase === undefined ? own : { recipe: own.recipe ?? EXACT.recipe, kv: own.kv ?? EXACT.kv }) };
    return new Session({ context, engine, flags, source, spec, description, identity: digestOf(await engine.identity(source), spec) });
  }

  get name(): string {
    return this.source === null ? this.description.config.name : basename(this.source);
  }

  /** Tokens per window or question: what was asked for, within what the model takes. */
  limit(wanted: number = DEFAULT_CONTEXT): number {
    return Math.min(this.flags.context ?? wanted, this.description.config.context);
  }

  /** The text's ids: one string with `bos` first where the model's raw prompts have it. */
  async ids(): Promise<number[]> {
    return this.tokenizer.encode(await readText(this.flags.text!), { bos: this.description.tokenizer.addBos });
  }

  /** Runs jobs on as many lanes as there are cores; models are loaded only where there are jobs. */
  async run<J extends Job>(jobs: readonly J[], base: EvaluationSetup['base'], context: number, onDone: (job: J, outcome: Outcome<J>) => void): Promise<void> {
    if (jobs.length === 0) return;
    const { threads, workers } = this.flags;
    const setup = { candidates: { [MODEL]: this.spec }, base, context };
    await using open = await this.engine.lanes(setup, { threads, workers, jobs: jobs.length, onNote: this.onNote });
    await runJobs(open.lanes, jobs, onDone, this.context.signal);
  }

  /** The figures have been told: a work file that nobody asked for goes. */
  finish(): void {
    if (this.flags.resume === undefined) this.work.remove();
  }

  /** Says where a run that did not end left what it had. */
  stopped(): void {
    if (this.work.added) this.context.process.stderr.write(`Finished work is kept in ${this.work.path}: the same command goes on from there\n`);
  }
}
