/** Serves the module `entry` in real workerd; `disks` are folders that it finds as services in its environment. */
export function serveWorker(options: {
  readonly binary: string;
  readonly entry: string;
  readonly disks?: Readonly<Record<string, string>>;
  /** V8's inspector listens as well. */
  readonly inspect?: boolean;
}): Promise<Served>;

export interface Served {
  readonly origin: string;
  /** Port of the inspector. */
  readonly inspector: number | undefined;
  readonly pid: number;
  /** When the process was started, by `performance.now`. */
  readonly started: number;
  stop(): Promise<void>;
}
