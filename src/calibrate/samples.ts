/** What calibration saw of one linear's input, before any permutation. */
export interface SiteSamples {
  /** f32 [tokens, cols]: inputs of a bounded number of sampled tokens. */
  readonly rows: Float32Array;
  readonly tokens: number;
  /** f32 [cols]: mean of the squared input over all calibration tokens. */
  readonly meanSquare: Float32Array;
}

/** Samples by linear, such as `layers.3.mlp.down`. */
export type ActivationSamples = ReadonlyMap<string, SiteSamples>;
