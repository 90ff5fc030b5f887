import { writeFile } from 'node:fs/promises';
import { TetradError } from '../../../core/errors.ts';
import { layerErrors, type LayerErrors, type PartError } from '../../../evaluate/layers/errors.ts';
import { PAGE } from '../../../formats/descriptor.ts';
import type { Decoder } from '../../../runtime/decoder.ts';
import { layersSvg } from '../../charts/layers.ts';
import { tableHead, tableRow, type Column } from '../format.ts';
import { withProgress } from '../open.ts';
import { EXACT } from './inputs.ts';
import type { Session } from './session.ts';

/** Enough for errors to settle, few enough for two f32 passes on one thread. */
const TOKENS = 512;
/** Rows of the table. */
const SHOWN = 20;

async function openOne(session: Session, source: string | null, options: { readonly recipe?: string | undefined; readonly kv?: 4 | 8 | 32 | undefined }, context: number): Promise<Decoder> {
  const { engine } = session;
  return withProgress(session.context, async (progress) => {
    const image = await engine.openImage(source, { ...progress, ...options });
    try {
      return await engine.decoder(image, { ...progress, context: Math.min(context, image.manifest.config.context), kv: options.kv, threads: 1, logitRows: PAGE });
    } finally {
      await image.close();
    }
  });
}

/** What each part of the model loses on the first tokens of the text. */
export async function evaluateLayers(session: Session): Promise<LayerErrors> {
  const { flags, source, context: { signal } } = session;
  const count = session.limit(TOKENS);
  const ids = (await session.ids()).slice(0, count);
  if (ids.length === 0) throw new TetradError('invalid_argument', `Cannot compare layers: ${flags.text} gives no tokens, needed is one or more`);
  await using packed = await openOne(session, source, { recipe: flags.recipe, kv: flags.kv }, ids.length);
  await using base = await openOne(session, flags.base!, EXACT, ids.length);
  const errors = await withProgress(session.context, ({ onProgress }) =>
    layerErrors(base, packed, ids, { signal, onBlock: (loaded, total) => onProgress?.({ stage: 'blocks', loaded, total }) }));
  if (flags.svg !== undefined) {
    await writeFile(flags.svg, layersSvg(errors, flags.recipe === undefined ? session.name : `${session.name} by ${flags.recipe}`)).catch((cause: NodeJS.ErrnoException) => {
      throw new TetradError('io_error', `Cannot write ${flags.svg}: the system says ${cause.code}`, { cause });
    });
  }
  return errors;
}

const COLUMNS: readonly Column[] = [
  { title: 'layer', width: 6, align: 'right' },
  { title: 'part', width: 32, align: 'left' },
  { title: 'output error', width: 12, align: 'right' },
  { title: 'input error', width: 12, align: 'right' },
];

const percent = (share: number): string => `${(share * 100).toFixed(4)} %`;
const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Parts by their mean over the layers, the worst places, and what has added up in the hidden state. */
export function layersTables({ parts, hidden, tokens }: LayerErrors, verbose: boolean): string {
  const byError = (a: PartError, b: PartError): number => b.error - a.error;
  const row = (layer: string, { part, error, input }: PartError): string => tableRow(COLUMNS, [layer, part, percent(error), input === null ? '-' : percent(input)]);
  const means = [...new Set(parts.map(({ part }) => part))].map((part): PartError => {
    const own = parts.filter((other) => other.part === part);
    const inputs = own.flatMap(({ input }) => input ?? []);
    return { layer: null, part, error: average(own.map(({ error }) => error)), input: inputs.length > 0 ? average(inputs) : null };
  });
  const worst = [...parts].sort(byError).slice(0, verbose ? parts.length : SHOWN);
  return [
    `Relative squared errors from the f32 model's own inputs, ${tokens} tokens\n\n`,
    tableHead(COLUMNS), ...means.sort(byError).map((mean) => row('mean', mean)),
    '\n', tableHead(COLUMNS), ...worst.map((part) => row(part.layer === null ? '-' : String(part.layer), part)),
    `\nHidden state after the last layer, accumulated: ${percent(hidden.at(-1)!)}\n`,
  ].join('');
}
