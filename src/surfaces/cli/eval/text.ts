import { TetradError } from '../../../core/errors.ts';
import { summarise, type Divergence, type TokenFigures } from '../../../evaluate/divergence.ts';
import { BASE, type WindowJob } from '../../../evaluate/jobs.ts';
import { mean } from '../../../evaluate/statistics.ts';
import { openStored } from '../../../evaluate/stored/read.ts';
import type { StoredInfo } from '../../../evaluate/stored/format.ts';
import { perplexityOf, splitWindows } from '../../../evaluate/windows.ts';
import { digestOf } from '../../adapters/evaluation/digest.ts';
import { decodeFigures, encodeFigures, type FiguresRecord } from '../../adapters/evaluation/work-file.ts';
import { fileSource } from '../../adapters/files.ts';
import { runningFigure, standardError } from '../ppl-lines.ts';
import { EXACT } from './inputs.ts';
import { MODEL, type Session } from './session.ts';

export interface WindowFigures {
  readonly perplexity: number;
  readonly basePerplexity?: number;
  readonly meanKl?: number;
  readonly sameTop?: number;
}

export interface TextFigures {
  readonly perplexity: number;
  /** Standard error from the windows' means. */
  readonly error: number;
  readonly basePerplexity?: number;
  readonly divergence?: Divergence;
  readonly windows: readonly WindowFigures[];
  readonly context: number;
  readonly tokens: number;
  /** Bytes of the packed model. */
  readonly bytes: number;
}

export const idBytes = (ids: ArrayLike<number>): Uint8Array => new Uint8Array(Int32Array.from(ids).buffer);

async function storedInfo(path: string): Promise<StoredInfo> {
  const stored = await openStored(await fileSource(path));
  await stored.close();
  return stored.info;
}

/** Throws `invalid_argument` where a stored base is about another text or vocabulary. */
function checkStored(path: string, info: StoredInfo, session: Session, ids: readonly number[]): void {
  const { flags, description: { config } } = session;
  const refuse = (why: string): never => {
    throw new TetradError('invalid_argument', `Cannot use ${path} as a base: ${why}`);
  };
  if (info.vocab !== config.vocab) refuse(`its vocabulary has ${info.vocab} tokens, the model's ${config.vocab}`);
  const used = info.windows * info.context;
  if (ids.length < used || digestOf(idBytes(ids.slice(0, used))) !== info.ids) refuse(`its ${used} token ids are not those that ${flags.text} begins with`);
  if (session.limit(info.context) !== info.context) refuse(`its windows have ${info.context} tokens, asked for are ${session.limit(info.context)}`);
  if ((flags.windows ?? 0) > info.windows) refuse(`it has ${info.windows} windows, asked for are ${flags.windows}`);
}

function windowFigures(own: TokenFigures, base: TokenFigures | null): WindowFigures {
  const perplexity = perplexityOf([mean(own.nll)]);
  return base ? { perplexity, basePerplexity: perplexityOf([mean(base.nll)]), meanKl: mean(own.kl), sameTop: mean(own.sameTop) } : { perplexity };
}

function windowLine(window: number, { perplexity, basePerplexity, meanKl, sameTop }: WindowFigures): string {
  const own = `window ${window}: PPL ${perplexity.toFixed(4)}`;
  return basePerplexity === undefined ? `${own}\n` : `${own}, base ${basePerplexity.toFixed(4)}, KL ${meanKl!.toFixed(6)}, same top ${(sameTop! * 100).toFixed(2)} %\n`;
}

/** Perplexity of the text, and divergence from the base where there is one, window by window. */
export async function evaluateText(session: Session): Promise<TextFigures> {
  const { flags, engine, work, context: { signal, process: { stderr } } } = session;
  const ids = await session.ids();
  const stored = flags.baseFile === undefined ? null : await storedInfo(flags.baseFile);
  if (stored) checkStored(flags.baseFile!, stored, session, ids);
  const base = stored ? { file: flags.baseFile! } : flags.base === undefined ? null : { source: flags.base, ...EXACT };
  const { config } = session.description;
  const other = base && 'source' in base ? (await engine.describe(base.source, { signal })).config : (stored ?? config);
  const context = Math.min(session.limit(stored?.context), other.context);
  const windows = splitWindows(ids, [config, other], { context, windows: flags.windows ?? stored?.windows });
  const against = base && ('file' in base ? stored : await engine.identity(base.source));
  const key = digestOf(session.identity, against, context, idBytes(ids)).slice(0, 16);
  const names = base ? [BASE, MODEL] : [MODEL];
  const done = (window: number): TokenFigures[] | null => {
    const records = names.map((name) => work.get(key, `window ${window} ${name}`) as FiguresRecord | undefined);
    return records.every((record) => record !== undefined) ? records.map(decodeFigures) : null;
  };
  const jobs = windows.flatMap((tokens, window): WindowJob[] => (done(window) ? [] : [{ kind: 'window', window, tokens, candidates: [MODEL] }]));

  // Figures are told in the order of the windows, whichever ends first.
  const all: TokenFigures[][] = [];
  const tell = (): void => {
    for (let figures = done(all.length); all.length < windows.length && figures; figures = done(all.length)) {
      all.push(figures);
      const own = figures.at(-1)!;
      const running = perplexityOf(all.map((each) => mean(each.at(-1)!.nll)));
      stderr.write(flags.verbose ? windowLine(all.length, windowFigures(own, base && figures[0]!)) : runningFigure(all.length, running));
    }
  };
  tell();
  let bytes = (work.get(key, `window 0 ${MODEL}`) as FiguresRecord | undefined)?.bytes ?? 0;
  try {
    await session.run(jobs, base, context, ({ window }, outcome) => {
      for (const figures of outcome) work.add(key, `window ${window} ${figures.name}`, encodeFigures(figures));
      bytes = outcome.at(-1)!.bytes;
      tell();
    });
  } finally {
    if (!flags.verbose) stderr.write('\n');
  }

  const own = all.map((figures) => figures.at(-1)!);
  const means = own.map(({ nll }) => mean(nll));
  const perplexity = perplexityOf(means);
  const baseNll = all.map(([first]) => first!.nll);
  return {
    perplexity,
    error: standardError(perplexity, means),
    ...(base && { basePerplexity: perplexityOf(baseNll.map(mean)), divergence: summarise(baseNll, own) }),
    windows: all.map((figures) => windowFigures(figures.at(-1)!, base && figures[0]!)),
    context, tokens: ids.length, bytes,
  };
}
