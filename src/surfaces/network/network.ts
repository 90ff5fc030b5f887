/** How requests are made. Adapters give what only they know: the token, and what their `fetch` cannot do. */
export interface Network {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Resolves after so many milliseconds, or rejects with the signal's reason. */
  readonly sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  /** Attempts at a request that make no progress. */
  readonly tries: number;
  /** A connection that brings nothing for so long is given up. */
  readonly stallMs: number;
  /** Whether `If-Range` may be sent. A browser first asks another host's leave for this header, and many hosts give none. */
  readonly ifRange: boolean;
  readonly hub: {
    /** Where `hf:` names lead. */
    readonly endpoint: string;
    /** Sent to the endpoint's own origin and nowhere else. */
    readonly token: string | undefined;
  };
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal!.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

export const HUB: Network['hub'] = { endpoint: 'https://huggingface.co', token: undefined };

const DEFAULTS: Network = { fetch: (url, init) => globalThis.fetch(url, init), sleep, tries: 5, stallMs: 30_000, ifRange: true, hub: HUB };

export const network = (settings: Partial<Network> = {}): Network => ({ ...DEFAULTS, ...settings });
