import { TetradError } from '../../core/errors.ts';
import { pause } from '../../core/pause.ts';
import { PAGE } from '../../formats/descriptor.ts';
import { SITES, type Site } from '../../models/sites.ts';
import type { Decoder, Edge, Tap, Trace } from '../../runtime/decoder.ts';
import { comparableOf, type Comparable } from './comparable.ts';

/** Sums of squares over tokens and channels. */
class Energy {
  error = 0;
  total = 0;

  get ratio(): number {
    return this.total > 0 ? this.error / this.total : 0;
  }
}

/** What one part of the model loses. */
export interface PartError {
  /** null: the output layer. */
  readonly layer: number | null;
  /** A site, `attention` (scores, softmax and the KV cache), or several joined by `+` where what passes between them cannot be compared. */
  readonly part: string;
  /** Squared error of its output over the squared output, both from the base's own input. */
  readonly error: number;
  /** The same of its input as quantised; null where it cannot be compared. */
  readonly input: number | null;
}

export interface LayerErrors {
  /** In the order of the forward pass. */
  readonly parts: readonly PartError[];
  /** After each layer: squared error of the hidden state over the base's, all that came before quantised too. */
  readonly hidden: readonly number[];
  readonly tokens: number;
}

export interface LayerErrorOptions {
  readonly signal?: AbortSignal | undefined;
  /** Blocks done and in all; each is run through both models twice. */
  readonly onBlock?: ((done: number, total: number) => void) | undefined;
}

/** The part whose output an edge carries. */
const PART: Readonly<Record<Edge, string>> = { qkv: 'attn.qkv', attention: 'attention', middle: 'attn.o', gateUp: 'mlp.gate_up', hidden: 'mlp.down' };
const siteOf = (name: string): Site => SITES.find((site) => name.endsWith(site))!;
const keyOf = (edge: Edge, layer: number): string => `${edge} ${layer}`;

/** What the base did in a block. */
class Recording {
  readonly #edges = new Map<string, Float32Array>();
  readonly #inputs = new Map<string, Float32Array>();
  logits: Float32Array[] = [];

  readonly trace: Trace = (edge, layer, rows) => void this.#edges.set(keyOf(edge, layer), rows.slice());

  readonly tap: Tap = (name, rows, tokens, stride, cols) => {
    const copy = new Float32Array(tokens * cols);
    for (let t = 0; t < tokens; t++) copy.set(rows.subarray(t * stride, t * stride + cols), t * cols);
    this.#inputs.set(name, copy);
  };

  edge(edge: Edge, layer: number): Float32Array {
    return this.#edges.get(keyOf(edge, layer))!;
  }

  /** [tokens, cols] */
  input(name: string): Float32Array {
    return this.#inputs.get(name)!;
  }
}

/** Adds the squared differences of rows [tokens, stride] to `energy`, and the squares of expected - from. */
function add(energy: Energy, found: Float32Array, expected: Float32Array, from: Float32Array | null, tokens: number, stride: number, cols: number): void {
  for (let t = 0; t < tokens; t++) {
    for (let i = t * stride; i < t * stride + cols; i++) {
      const output = expected[i]! - (from ? from[i]! : 0);
      const error = found[i]! - expected[i]!;
      energy.error += error * error;
      energy.total += output * output;
    }
  }
}

/** The errors of each part alone: whatever passes between parts is measured, then replaced by the base's. */
class Alone {
  readonly #comparable: Comparable;
  readonly #outputs = new Map<string, Energy & { layer: number | null; part: string }>();
  readonly #inputs = new Map<string, Energy>();
  recording = new Recording();
  /** Parts that ran since the last edge that was compared. */
  #running: string[] = [];

  constructor(comparable: Comparable) {
    this.#comparable = comparable;
  }

  #output(layer: number | null, part: string): Energy {
    const key = `${layer} ${part}`;
    let known = this.#outputs.get(key);
    if (!known) this.#outputs.set(key, (known = Object.assign(new Energy(), { layer, part })));
    return known;
  }

  readonly trace: Trace = (edge, layer, rows, tokens, stride, cols) => {
    const expected = this.recording.edge(edge, layer);
    const first = edge === 'hidden' && layer === 0;
    if (!first) this.#running.push(PART[edge]);
    if (!this.#comparable.edge(edge)) return;
    if (!first) {
      const own = edge === 'hidden' ? layer - 1 : layer;
      const before = edge === 'middle' ? this.recording.edge('hidden', own) : edge === 'hidden' ? this.recording.edge('middle', own) : null;
      add(this.#output(own, this.#running.join('+')), rows, expected, before, tokens, stride, cols);
    }
    this.#running = [];
    rows.set(expected);
  };

  readonly tap: Tap = (name, rows, tokens, stride, cols) => {
    if (!this.#comparable.input(siteOf(name))) return;
    const expected = this.recording.input(name);
    let energy = this.#inputs.get(name);
    if (!energy) this.#inputs.set(name, (energy = new Energy()));
    for (let t = 0; t < tokens; t++) {
      add(energy, rows.subarray(t * stride, t * stride + cols), expected.subarray(t * cols, (t + 1) * cols), null, 1, 0, cols);
    }
  };

  logits(rows: readonly Float32Array[]): void {
    rows.forEach((row, t) => add(this.#output(null, 'output'), row, this.recording.logits[t]!, null, 1, 0, row.length));
  }

  parts(): PartError[] {
    return [...this.#outputs.values()].map(({ layer, part, ratio }) => {
      const input = this.#inputs.get(layer === null ? part : `layers.${layer}.${part}`);
      return { layer, part, error: ratio, input: input ? input.ratio : null };
    });
  }
}

function checkPair(base: Decoder, packed: Decoder): void {
  const shape = ({ manifest: { config } }: Decoder): string =>
    [config.layers, config.hidden, config.heads, config.kvHeads, config.headDim, config.ffn, config.vocab].join(' x ');
  if (shape(base) !== shape(packed)) throw new TetradError('invalid_argument', `Cannot compare layers: the models' shapes are ${shape(base)} and ${shape(packed)}, must be equal`);
  const rows = Math.min(base.logitRows, packed.logitRows);
  if (rows < PAGE) throw new TetradError('invalid_argument', `Cannot compare layers: the models keep ${rows} rows of logits, needed are ${PAGE}`);
}

/**
 * What each part of a packed model loses against the f32 model that it was made from, on the same tokens: each part's output from the base's own input, run
 * through the kernels, and the hidden states of the packed model as it is.
 *
 * Both decoders need PAGE rows of logits, one thread and a context for all tokens. Throws `invalid_argument` where they do not fit each other.
 */
export async function layerErrors(base: Decoder, packed: Decoder, ids: readonly number[], options: LayerErrorOptions = {}): Promise<LayerErrors> {
  checkPair(base, packed);
  const { layers, hidden: width } = base.manifest.config;
  const alone = new Alone(comparableOf(packed.manifest.provenance));
  const hidden = Array.from({ length: layers }, () => new Energy());
  const blocks = Math.ceil(ids.length / PAGE);
  let done = 0;
  const pass = async (run: (block: readonly number[], recording: Recording) => void): Promise<void> => {
    base.truncate(0);
    packed.truncate(0);
    for (let from = 0; from < ids.length; from += PAGE) {
      await pause();
      options.signal?.throwIfAborted();
      const block = ids.slice(from, from + PAGE);
      const recording = new Recording();
      base.trace = recording.trace;
      base.tap = recording.tap;
      recording.logits = base.forwardRows(block, block.length).map((row) => row.slice());
      run(block, recording);
      options.onBlock?.(++done, 2 * blocks);
    }
  };
  try {
    packed.trace = alone.trace;
    packed.tap = alone.tap;
    await pass((block, recording) => {
      alone.recording = recording;
      alone.logits(packed.forwardRows(block, block.length));
    });
    packed.tap = null;
    await pass((block, recording) => {
      packed.trace = (edge, layer, rows, tokens, stride) => {
        if (edge === 'hidden' && layer > 0) add(hidden[layer - 1]!, rows, recording.edge(edge, layer), null, tokens, stride, width);
      };
      packed.forwardRows(block, 1);
    });
  } finally {
    for (const decoder of [base, packed]) {
      decoder.trace = null;
      decoder.tap = null;
      decoder.truncate(0);
    }
  }
  return { parts: alone.parts(), hidden: hidden.map(({ ratio }) => ratio), tokens: ids.length };
}
