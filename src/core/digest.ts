import { TetradError } from './errors.ts';

/** Lower-case hexadecimal SHA-256. WebCrypto takes no shared memory: such bytes are copied. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const { subtle } = globalThis.crypto;
  if (!subtle) throw new TetradError('io_error', 'Cannot compute digests: there is no crypto.subtle, needed is a secure context (https or localhost)');
  const own = bytes.buffer instanceof ArrayBuffer ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : bytes.slice();
  const digest = new Uint8Array(await subtle.digest('SHA-256', own));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
