/** Tetrad on Node: load a model, generate, chat. Recipes and containers are in `tetrad/quantize`; other runtimes get their adapter under the same name. */
export { EMBEDDED, estimate, load, type LoadOptions } from './surfaces/adapters/node.ts';
export * from './surfaces/public.ts';
