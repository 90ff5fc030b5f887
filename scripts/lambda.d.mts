/** The event of a function URL. */
export function eventOf(method: string, path: string, body?: string, headers?: Readonly<Record<string, string>>): object;

/** An answer as it comes: its status and headers are there, `body` gives its pieces, `cut` breaks its connection. */
export interface SandboxAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies: readonly string[];
  readonly body: AsyncIterable<Uint8Array>;
  readonly cut: () => void;
}

export interface Sandbox {
  readonly pid: number;
  /** The exit code, or the signal. */
  readonly exited: Promise<number | string>;
  /** What it has printed so far. */
  readonly log: () => string;
  /** Rejects with what the runtime reports instead of an answer. */
  readonly invoke: (event: object) => Promise<SandboxAnswer>;
  readonly stop: () => Promise<void>;
}

/** Starts a sandbox whose code is in the folder `task`; `command` runs before Node, such as `taskset -c 0`. */
export function startSandbox(options: {
  readonly ric: string; readonly task: string; readonly handler?: string; readonly node?: string; readonly command?: readonly string[];
}): Promise<Sandbox>;
