import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, vi } from 'vitest';
import { Turns } from '../../src/surfaces/http/turns.ts';
import { fakeService, post, until } from './fake-service.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const PATH = '/v1/completions';
const endless = { prompt: 'x', stream: true };
/** Answers whose end nobody waits for. Held as a server holds them: Node never aborts the signal of a request that nobody holds. */
const held: Response[] = [];
/** Microtasks and messages that are under way. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));

describe('Turns', () => {
  it('come in the order of asking, and one at a time', async () => {
    const turns = new Turns(9);
    const order: string[] = [];
    const { signal } = new AbortController();
    const ends = ['a', 'b', 'c'].map(async (name) => {
      const end = await turns.take(signal);
      order.push(`${name} begins`);
      await settle();
      order.push(`${name} ends`);
      end();
      end(); // a second time changes nothing
    });
    await Promise.all(ends);
    expect(order).toEqual(['a', 'b', 'c'].flatMap((name) => [`${name} begins`, `${name} ends`]));
    expect(turns.full).toBe(false);
  });

  it('full is true with as many waiting as may; who leaves makes room', async () => {
    const turns = new Turns(1);
    const end = await turns.take(new AbortController().signal);
    expect(turns.full).toBe(false);
    const leaver = new AbortController();
    const waiting = turns.take(leaver.signal);
    expect(turns.full).toBe(true);
    leaver.abort(new Error('left'));
    await expect(waiting).rejects.toThrow('left');
    expect(turns.full).toBe(false);
    end();
    await expect(turns.take(AbortSignal.abort(new Error('late')))).rejects.toThrow('late');
    (await turns.take(new AbortController().signal))();
  });
});

describe('createHandler(): one request at a time', () => {
  it('17 are taken, the next is 503 with Retry-After; when the first goes away the rest are answered in order', async () => {
    const { handler } = fakeService();
    const first = new AbortController();
    held.push(await handler(post(PATH, endless, { signal: first.signal })));
    const order: number[] = [];
    const waiting = Array.from({ length: 16 }, async (_, i) => {
      const response = await handler(post(PATH, { prompt: 'x', max_tokens: 2 }));
      order.push(i);
      return response.status;
    });
    await settle();
    const refused = await handler(post(PATH, { prompt: 'x' }));
    expect([refused.status, refused.headers.get('retry-after'), ((await refused.json()) as { error: object }).error]).toEqual([503, '2', expect.objectContaining({ code: 'busy', type: 'server_error' })]);
    expect(order).toEqual([]);
    first.abort();
    expect(await Promise.all(waiting)).toEqual(new Array(16).fill(200));
    expect(order).toEqual(Array.from({ length: 16 }, (_, i) => i));
  });

  it('a waiting request that goes away is dropped without work, and the one behind it moves up', async () => {
    const { handler, passes, fake } = fakeService();
    const first = new AbortController();
    held.push(await handler(post(PATH, endless, { signal: first.signal })));
    const second = new AbortController();
    const dropped = handler(post(PATH, { prompt: 'dropped', max_tokens: 2 }, { signal: second.signal }));
    const third = handler(post(PATH, { prompt: 'kept', max_tokens: 2 }));
    await settle();
    const before = passes();
    second.abort();
    expect((await dropped).status).toBe(499);
    expect(passes()).toBe(before);
    first.abort();
    expect((await third).status).toBe(200);
    expect(new TextDecoder().decode(Uint8Array.from(fake.cache.slice(0, 4)))).toBe('kept');
  });

  it('a reader that cancels the stream, or whose request is aborted, stops the tokens and gives the turn back', async () => {
    for (const way of ['cancel', 'abort'] as const) {
      const { handler, passes } = fakeService();
      const client = new AbortController();
      const { body } = await handler(post(PATH, endless, { signal: client.signal }));
      const reader = body!.getReader();
      await reader.read();
      await reader.read();
      if (way === 'cancel') await reader.cancel();
      else client.abort();
      const before = passes();
      expect((await handler(post(PATH, { prompt: 'y', max_tokens: 1 }))).status).toBe(200);
      expect(passes() - before).toBeLessThanOrEqual(2);
    }
  });

  it('a reader that stays and reads nothing for a minute is given up, and gives the turn back', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const { handler } = fakeService();
      const { body } = await handler(post(PATH, endless));
      const reader = body!.getReader();
      await reader.read();
      await vi.advanceTimersByTimeAsync(59_000);
      await reader.read();
      const next = handler(post(PATH, { prompt: 'y', max_tokens: 1 }));
      const before = await Promise.race([next, vi.advanceTimersByTimeAsync(59_000).then(() => 'waits')]);
      await vi.advanceTimersByTimeAsync(1_000);
      expect([before, (await next).status]).toEqual(['waits', 200]);
      await expect(reader.read()).rejects.toThrow('The client has read nothing for 60 s');
    } finally {
      vi.useRealTimers();
    }
  });

  it('an abort is heard although nobody but the answer holds the request', async () => {
    const { handler } = fakeService();
    const client = new AbortController();
    const { body } = await handler(post(PATH, endless, { signal: client.signal }));
    await settle();
    collect();
    await settle();
    client.abort();
    expect((await handler(post(PATH, { prompt: 'y', max_tokens: 1 }))).status).toBe(200);
    await body!.cancel();
  });

  it('an answer that is not streamed stops with its client too', async () => {
    const { handler, passes, errors } = fakeService();
    const client = new AbortController();
    const answer = handler(post(PATH, { prompt: 'x' }, { signal: client.signal }));
    await until(() => passes() > 20);
    client.abort();
    expect((await answer).status).toBe(499);
    const before = passes();
    await settle();
    expect([passes(), errors]).toEqual([before, []]);
  });

  it('waitUntil() is given what lasts until the generation has ended, also when its client is gone', async () => {
    const { handler } = fakeService();
    const work: Promise<unknown>[] = [];
    const client = new AbortController();
    held.push(await handler(post(PATH, endless, { signal: client.signal }), { waitUntil: (promise) => void work.push(promise) }));
    expect(work).toHaveLength(1);
    let ended = false;
    void work[0]!.then(() => (ended = true));
    await settle();
    expect(ended).toBe(false);
    client.abort();
    await work[0];
  });

  it('a reader that does not read on holds the work up', async () => {
    const { handler, passes } = fakeService();
    const { body } = await handler(post(PATH, endless));
    await body!.getReader().read();
    const before = passes();
    await settle();
    expect(passes()).toBe(before);
  });
});
