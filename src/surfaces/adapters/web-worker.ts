import { attach } from '../../backends/open.ts';
import { serve, type WorkerJob } from '../../runtime/worker.ts';

globalThis.addEventListener('message', ({ data }: MessageEvent<WorkerJob>) => {
  serve(data, attach, () => globalThis.postMessage('ready', { transfer: [] }));
  globalThis.close();
}, { once: true });
