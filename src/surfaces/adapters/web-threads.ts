import type { ThreadHost } from '../../runtime/workers.ts';

/** Web workers; null where the page is not cross-origin isolated, so that no memory can be shared. */
export function webThreads(): ThreadHost | null {
  if (globalThis.crossOriginIsolated !== true) return null;
  const processors = navigator.hardwareConcurrency;
  return {
    // Half of them may be hyperthreads. Two threads on two processors that are cores lose a sixth of their speed if they take themselves for too many.
    cores: Math.max(1, Math.floor(processors / 2)),
    processors,
    mayBlock: !('document' in globalThis),
    now: () => performance.now(),
    start(job) {
      const worker = new Worker(new URL('./web-worker.js', import.meta.url), { type: 'module' });
      const ready = new Promise<void>((resolve) => worker.addEventListener('message', () => resolve(), { once: true }));
      const ended = new Promise<string>((resolve) => worker.addEventListener('error', ({ message }) => resolve(message || 'it could not be started'), { once: true }));
      worker.postMessage(job, { transfer: [] });
      return { ready, ended, terminate: async () => worker.terminate() };
    },
  };
}
