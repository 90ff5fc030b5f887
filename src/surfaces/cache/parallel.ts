/** Works on items in order, so many at once. The first failure stops the others, and is thrown when they have ended. */
export async function inParallel<T, R>(items: readonly T[], lanes: number, signal: AbortSignal | undefined, work: (item: T, stop: AbortSignal) => Promise<R>): Promise<R[]> {
  const own = new AbortController();
  const stop = (): void => own.abort(signal!.reason);
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop, { once: true });
  const results: R[] = [];
  const entries = items.entries();
  const lane = async (): Promise<void> => {
    for (const [index, item] of entries) {
      own.signal.throwIfAborted();
      results[index] = await work(item, own.signal);
    }
  };
  const guarded = (): Promise<void> => lane().catch((error: unknown) => {
    own.abort(error); // only the first reason is kept
  });
  await Promise.all(Array.from({ length: lanes }, guarded));
  signal?.removeEventListener('abort', stop);
  own.signal.throwIfAborted();
  return results;
}
