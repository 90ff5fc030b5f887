import { METRICS } from '../peers/contests.ts';
import { ratios, type PeerRow } from '../peers/table.ts';
import type { Result } from '../result.ts';
import { median } from '../timing.ts';
import { element, picture, text } from '../../src/surfaces/charts/svg.ts';

const WIDTH = 760;
const [LEFT, RIGHT] = [170, 610];
const [ROW, GAP, TOP] = [18, 34, 62];
const OURS = 'tetrad (Node)';

interface Bar { readonly name: string; readonly value: number; readonly note: string }
interface Group { readonly title: string; readonly unit: string; readonly bars: readonly Bar[] }

/** One group per test, metric and number of threads: ours first, then the contenders. */
function groups(rows: readonly PeerRow[]): Group[] {
  const title = ({ test, metric, threads }: PeerRow): string => `${test}: ${metric}, ${threads} thread${threads === 1 ? '' : 's'}`;
  return [...new Set(rows.map(title))].map((name) => {
    const own = rows.filter((row) => title(row) === name);
    const { unit, more } = METRICS[own[0]!.metric];
    const ours = own.flatMap((row) => row.ours);
    const theirs = own.map((row): Bar => ({ name: row.contender, value: median(row.theirs), note: row.ours.length ? `ours ${median(ratios(row)).toFixed(2)}x` : '' }));
    return { title: name, unit: `${unit}, ${more ? 'more' : 'less'} is better`, bars: ours.length ? [{ name: OURS, value: median(ours), note: '' }, ...theirs] : theirs };
  });
}

const shown = (value: number, unit: string): string => (unit.startsWith('bytes') ? `${(value / 2 ** 20).toFixed(0)} MiB` : value.toFixed(value < 100 ? 1 : 0));

/** Horizontal bars of medians; each group has its own scale. */
export function barsSvg({ rows, machine }: Result<PeerRow>): string {
  const names = [OURS, ...new Set(rows.map((row) => row.contender))];
  const parts: string[] = [];
  let y = TOP;
  for (const { title, unit, bars } of groups(rows)) {
    parts.push(text(16, y, title), text(RIGHT, y, unit, { class: 'dim end' }));
    y += 8;
    const most = Math.max(...bars.map((bar) => bar.value));
    for (const { name, value, note } of bars) {
      const width = Math.max(1, ((RIGHT - LEFT) * value) / most);
      parts.push(
        text(LEFT - 8, y + 12, name, { class: 'dim end' }),
        element('rect', { class: `c${name === OURS ? 0 : 1 + ((names.indexOf(name) - 1) % 5)}`, x: LEFT, y: y + 2, width, height: ROW - 5, rx: 2 }),
        text(LEFT + width + 6, y + 12, `${shown(value, unit)}${note && `  (${note})`}`, { class: 'dim' }),
      );
      y += ROW;
    }
    y += GAP - 8;
  }
  parts.push(text(16, 42, `${machine.cpu} x ${machine.cores}, ${machine.date.slice(0, 10)}; medians of runs taken in turns`, { class: 'dim' }));
  return picture(WIDTH, y - 8, 'Other runtimes and ours, the same model and threads', parts);
}
