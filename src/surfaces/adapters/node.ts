import { localRuntime } from './local-runtime.ts';
import { threadHost } from './node-threads.ts';

export * from '../public.ts';
export { kernelModules } from './file-modules.ts';
export { EMBEDDED } from './local-models.ts';
export type { LoadOptions } from './local-runtime.ts';

export const { opener, platformOf, load, estimate } = localRuntime(threadHost);
