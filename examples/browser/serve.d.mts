export interface Site {
  readonly origin: string;
  close(): Promise<void>;
}

/** `isolated: false` leaves out the headers that make memory shareable. Port 0: any that is free. */
export function serveSite(folder: string, options?: { readonly port?: number; readonly host?: string; readonly isolated?: boolean }): Promise<Site>;
