export type RuntimeName = 'node20' | 'node22' | 'node24' | 'node26' | 'deno' | 'bun' | 'workerd' | 'playwright' | 'openai' | 'ric' | 'axe';

export interface Runtime {
  readonly name: RuntimeName;
  readonly version: string;
  readonly binary: string;
}

export const runtimeNames: readonly RuntimeName[];

/** Puts a pinned runtime into .cache/ if it is not there. Rejects with the reason why it cannot be had. */
export function runtime(name: RuntimeName, options?: { readonly timeout?: number }): Promise<Runtime>;

/** The same if it is there already, or else null. */
export function runtimeHere(name: RuntimeName): Runtime | null;

/** A browser that CHROMIUM or FIREFOX names, or else the first one on the PATH; null if there is none. */
export function findBrowser(name: 'chromium' | 'firefox'): string | null;
