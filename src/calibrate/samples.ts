/** What calibration saw of one linear's input, before any permutation. */
export interface SiteSamples {
  /** f32 [tokens, cols]: inputs of a bounded number of sampled tokens. */
  readonly rows: Float32Array;
  readonly tokens: number;
  /** f32 [cols]: mean of the squared input over all calibration tokens. */
  readonly meanSquare: Float32Array;
  /** f32 [cols]: largest magnitude, least and largest value over all calibration tokens. */
  readonly absmax: Float32Array;
  readonly minimum: Float32Array;
  readonly maximum: Float32Array;
}

/**
 * Samples by linear, such as `layers.3.mlp.down`; of keys after RoPE and of values, [kvHeads * headDim] channels, as `layers.3.attn.keys` and
 * `layers.3.attn.values`.
 */
export type ActivationSamples = ReadonlyMap<string, SiteSamples>;
