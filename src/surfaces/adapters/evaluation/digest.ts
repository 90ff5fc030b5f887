import { createHash } from 'node:crypto';

/** Hexadecimal SHA-256 of values in JSON, and of bytes. */
export function digestOf(...parts: readonly unknown[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part instanceof Uint8Array ? part : JSON.stringify(part ?? null));
  return hash.digest('hex');
}
