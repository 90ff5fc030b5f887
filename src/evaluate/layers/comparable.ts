import { TetradError } from '../../core/errors.ts';
import type { Site } from '../../models/sites.ts';
import type { Edge } from '../../runtime/decoder.ts';

/** `keys`: the queries, keys and values. A site stands for its input. */
type Place = Exclude<Site, 'output'> | 'keys';

/** Where the numbers of a model that went through a step are not those of its source: in another order, or multiplied by something that a later linear undoes. */
const FOREIGN: Readonly<Record<string, readonly Place[]>> = {
  reorder: ['mlp.down'],
  blocks: ['mlp.down'],
  columns: ['mlp.down'],
  smooth: ['attn.qkv', 'keys', 'attn.o', 'mlp.gate_up', 'mlp.down'],
  smoothKeys: ['keys'],
  sparse: [],
  lowRank: [],
};

/** Where the numbers of a packed model and of its source mean the same. Hidden states always do. */
export interface Comparable {
  readonly edge: (edge: Edge) => boolean;
  readonly input: (site: Site) => boolean;
}

const kindsOf = (steps: unknown): string[] => (Array.isArray(steps) ? steps.map((step: { readonly kind?: unknown }) => String(step.kind)) : []);

/**
 * What can be compared, from the recipe in a packed model's provenance. Throws `unsupported_model` where the recipe has a step after which not even the
 * hidden states can be compared.
 */
export function comparableOf(provenance: Readonly<Record<string, unknown>>): Comparable {
  const { transforms, split } = (provenance['recipe'] ?? {}) as { readonly transforms?: unknown; readonly split?: unknown };
  const kinds = [...kindsOf(transforms), ...kindsOf(split)];
  const unknown = kinds.find((kind) => !(kind in FOREIGN));
  if (unknown !== undefined) {
    const known = Object.keys(FOREIGN).join(', ');
    throw new TetradError('unsupported_model', `Cannot compare layers: the recipe has the step ${JSON.stringify(unknown)}, which may change hidden states, needed are none but ${known}`);
  }
  const foreign = new Set(kinds.flatMap((kind) => FOREIGN[kind]!));
  const behind: Readonly<Record<Edge, Place | null>> = { hidden: null, middle: null, qkv: 'keys', attention: 'attn.o', gateUp: 'mlp.down' };
  return {
    edge(edge) {
      const place = behind[edge];
      return place === null || !foreign.has(place);
    },
    input: (site) => site === 'output' || !foreign.has(site),
  };
}
