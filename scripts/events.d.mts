/** Posts a body as JSON and yields every event but the last with when it came. */
export function events(url: string, body: object, signal?: AbortSignal): AsyncGenerator<{ readonly at: number; readonly value: unknown }, void, undefined>;

export interface Generated {
  readonly text: string;
  /** By `performance.now`. */
  readonly asked: number;
  readonly first: number;
  readonly last: number;
  readonly tokens: number;
  readonly prompt: number;
}

/** Generates and reads all. */
export function generated(origin: string, body: object, signal?: AbortSignal): Promise<Generated>;
