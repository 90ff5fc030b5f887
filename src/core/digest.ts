import { TetradError } from './errors.ts';

/** SHA-256, 32 bytes. WebCrypto takes no shared memory: such bytes are copied. */
export async function sha256Bytes(bytes: Uint8Array): Promise<Uint8Array> {
  const { subtle } = globalThis.crypto;
  if (!subtle) throw new TetradError('io_error', 'Cannot compute digests: there is no crypto.subtle, needed is a secure context (https or localhost)');
  const own = bytes.buffer instanceof ArrayBuffer ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : bytes.slice();
  return new Uint8Array(await subtle.digest('SHA-256', own));
}

/** The same in lower-case hexadecimal. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  return Array.from(await sha256Bytes(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
