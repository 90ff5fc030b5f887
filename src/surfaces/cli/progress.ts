import type { OnProgress, Progress } from '../../core/bytes.ts';
import { bytes, duration } from './format.ts';

/** What the bar needs of a terminal's stream. */
export interface Terminal {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

const SAMPLES = 10; // the rate is taken over this many redraws
const REDRAW_MS = 100;
const LEAST_BAR = 5;
const MOST_BAR = 40;
/** Stages that count bytes; all others count their own things. */
const BYTE_STAGES = /^(load|quantise|write|download|pulling )/;

/**
 * One line of progress in ollama's layout, redrawn in place: `load:  42% ▕█████     ▏ 1.2 GB/2.9 GB   88 MB/s   19s`.
 * Silent unless `stream` is a terminal, so that logs stay clean.
 */
export class ProgressBar {
  readonly #stream: Terminal;
  readonly #now: () => number;
  #samples: { readonly at: number; readonly loaded: number }[] = [];
  #stage: string | null = null;
  #drawn = -Infinity;
  #complete = true;

  constructor(stream: Terminal, now: () => number) {
    this.#stream = stream;
    this.#now = now;
  }

  /** Nested work reports too: a stage that begins before the one shown is complete stays in the dark, as does one that is complete at once. */
  readonly update: OnProgress = (progress) => {
    if (!this.#stream.isTTY) return;
    const at = this.#now();
    const complete = progress.loaded >= progress.total;
    if (progress.stage !== this.#stage) {
      if (complete || !this.#complete) return;
      this.finish();
      this.#stage = progress.stage;
      this.#samples = [{ at, loaded: progress.loaded }];
    } else if (at - this.#drawn < REDRAW_MS && !complete) return;
    this.#complete = complete;
    this.#samples = [...this.#samples.slice(-SAMPLES), { at, loaded: progress.loaded }];
    this.#drawn = at;
    this.#stream.write(`\r${this.#line(progress)}\u001b[K`);
  };

  /** Leaves the last state on the screen and goes to a new line. */
  finish(): void {
    if (this.#stage !== null) this.#stream.write('\n');
    this.#stage = null;
    this.#drawn = -Infinity;
    this.#complete = true;
  }

  #line({ stage, loaded, total }: Progress): string {
    const share = Math.min(1, loaded / total);
    const first = this.#samples[0]!;
    const last = this.#samples.at(-1)!;
    const rate = last.at > first.at ? ((last.loaded - first.loaded) / (last.at - first.at)) * 1000 : 0;
    const amount = BYTE_STAGES.test(stage) ? bytes : (count: number): string => String(Math.round(count));
    const head = `${stage}: ${String(Math.floor(share * 100)).padStart(3)}% `;
    const speed = rate > 0 ? `   ${amount(rate)}/s` : '';
    const left = rate > 0 && share < 1 ? `   ${duration(((total - loaded) / rate) * 1000)}` : '';
    const tail = ` ${amount(loaded)}/${amount(total)}${speed}${left}`;
    const width = Math.min(MOST_BAR, (this.#stream.columns || 80) - head.length - tail.length - 3);
    if (width < LEAST_BAR) return `${head}${tail.trimStart()}`;
    const full = Math.round(share * width);
    return `${head}▕${'█'.repeat(full)}${' '.repeat(width - full)}▏${tail}`;
  }
}
