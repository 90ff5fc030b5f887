import { referenceGguf, sharedFile } from '../../test/support/shared.ts';

export const MODEL_NAMES = ['soft', 'ref'] as const;
export type ModelName = (typeof MODEL_NAMES)[number];

export interface LabModel {
  readonly name: ModelName;
  readonly title: string;
  /** Whose weights lie where; shown above the tables. */
  readonly about: string;
  /** The checkpoint as commands name it. */
  readonly file: string;
  /** Where it is, or null. */
  readonly path: () => string | null;
}

const SOFT = 'smollm2-135m-soft.Q8_0.gguf';
const REF = 'SmolLM2-135M-Instruct.Q4_1.gguf';

/** Never in one table: what a recipe costs depends on the grid that the weights come from. */
export const MODELS: Readonly<Record<ModelName, LabModel>> = {
  soft: {
    name: 'soft', title: `SOFT: ${SOFT}`, file: SOFT, path: () => sharedFile(`models/${SOFT}`),
    about: 'SmolLM2-135M-Instruct whose block weights were moved off their 4-bit grid and healed by distillation: the reference for quality.',
  },
  ref: {
    name: 'ref', title: `REF: ${REF}`, file: REF, path: referenceGguf,
    about: "The product's model. Its block weights lie on a 4-bit grid of blocks of 32 already, which flatters recipes whose blocks line up with it.",
  },
};
