import { afterEach, describe, expect, it, vi } from 'vitest';
import { webThreads } from '../../src/surfaces/adapters/web-threads.ts';
import { threadsOf } from '../../src/surfaces/loader.ts';

afterEach(() => vi.unstubAllGlobals());

/** A browser's worker as far as `webThreads` sees it. */
class FakeWorker extends EventTarget {
  static made: FakeWorker[] = [];
  readonly posted: unknown[] = [];
  terminated = false;
  readonly url: URL;

  constructor(url: URL) {
    super();
    this.url = url;
    FakeWorker.made.push(this);
  }

  postMessage(job: unknown): void {
    this.posted.push(job);
  }

  terminate(): void {
    this.terminated = true;
  }
}

describe('webThreads()', () => {
  it('are none unless the page is cross-origin isolated', () => {
    expect(webThreads()).toBeNull();
  });

  it('start the worker file with its job, and tell when it is ready and why it ended', async () => {
    vi.stubGlobal('crossOriginIsolated', true);
    vi.stubGlobal('Worker', FakeWorker);
    vi.stubGlobal('navigator', { hardwareConcurrency: 1 });
    const host = webThreads()!;
    expect([host.cores, host.processors]).toEqual([1, 1]);
    const job = { rank: 1 } as Parameters<typeof host.start>[0];
    const handle = host.start(job);
    const worker = FakeWorker.made[0]!;
    expect([worker.posted, worker.url.pathname.endsWith('/web-worker.js')]).toEqual([[job], true]);
    worker.dispatchEvent(new Event('message'));
    await handle.ready;
    worker.dispatchEvent(Object.assign(new Event('error'), { message: 'no such file' }));
    expect(await handle.ended).toBe('no such file');
    await handle.terminate();
    expect(worker.terminated).toBe(true);
  });
});

describe('threadsOf()', () => {
  const host = { cores: 12, processors: 24, mayBlock: true, now: () => 0, start: () => expect.fail('nothing is to be started') };
  const asked = (threads: number | 'auto' | undefined, on: typeof host | null): [number, string[]] => {
    const notes: string[] = [];
    return [threadsOf({ threads, onNote: (note) => notes.push(note) }, on), notes];
  };

  it('is the number of cores, at most 8, unless one is given', () => {
    expect([asked(undefined, host), asked('auto', { ...host, cores: 3 }), asked(9, host)]).toEqual([[8, []], [3, []], [9, []]]);
  });

  it('says when there are fewer cores, and when memory cannot be shared', () => {
    expect(asked(4, { ...host, cores: 1, processors: 2 })).toEqual([4, ['Running 4 threads on 2 cores']]);
    expect(asked(2, { ...host, cores: 1, processors: 2 })).toEqual([2, []]);
    expect(asked(2, null)).toEqual([1, ['Running on 1 thread instead of 2: memory cannot be shared here']]);
    expect([asked('auto', null), asked(1, null)]).toEqual([[1, []], [1, []]]);
  });

  it.each([0, -1, 1.5, 65, Number.NaN])('refuses %d', (threads) => {
    expect(() => asked(threads, host)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });
});
