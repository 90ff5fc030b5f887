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

/** What a provenance may hold as a step. */
type Step = Readonly<Partial<Record<'kind' | 'residual' | 'heads' | 'online', unknown>>>;

const stepsOf = (steps: unknown): readonly Step[] => (Array.isArray(steps) ? steps : []);

/** The places that a step changes; null: it is not known, or changes hidden states. */
function foreignOf({ kind, residual, heads, online }: Step): readonly Place[] | null {
  if (kind !== 'rotate') return FOREIGN[String(kind)] ?? null;
  if (residual) return null;
  const at = (site: string): boolean => Array.isArray(online) && online.includes(site);
  return [...(heads || at('attn.o') ? (['keys', 'attn.o'] as const) : []), ...(at('mlp.down') ? (['mlp.down'] as const) : [])];
}

/**
 * What can be compared, from the recipe in a packed model's provenance. Throws `unsupported_model` where the recipe has a step after which not even the
 * hidden states can be compared.
 */
export function comparableOf(provenance: Readonly<Record<string, unknown>>): Comparable {
  const { transforms, split } = (provenance['recipe'] ?? {}) as { readonly transforms?: unknown; readonly split?: unknown };
  const foreign = new Set([...stepsOf(transforms), ...stepsOf(split)].flatMap((step) => {
    const places = foreignOf(step);
    if (places) return places;
    const known = Object.keys(FOREIGN).join(', ');
    throw new TetradError('unsupported_model', `Cannot compare layers: the recipe has the step ${JSON.stringify(step)}, which may change hidden states, needed are none but ${known}, and rotations without residual`);
  }));
  const behind: Readonly<Record<Edge, Place | null>> = { hidden: null, middle: null, qkv: 'keys', attention: 'attn.o', gateUp: 'mlp.down' };
  return {
    edge(edge) {
      const place = behind[edge];
      return place === null || !foreign.has(place);
    },
    input: (site) => site === 'output' || !foreign.has(site),
  };
}
