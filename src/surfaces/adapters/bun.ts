/** Bun runs what Node runs, on JavaScriptCore. */
export * from './node.ts';
