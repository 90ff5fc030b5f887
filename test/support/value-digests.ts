import { createHash } from 'node:crypto';
import type { Manifest } from '../../src/models/image.ts';
import { floatsAt, intsAt, linearValues } from './image.ts';

const digest = (array: Float32Array | Int32Array): string => createHash('sha256').update(Buffer.from(array.buffer, array.byteOffset, array.byteLength)).digest('hex').slice(0, 16);

/** What an image means, whatever its bytes: digests of every linear's values, every permutation and every vector. */
export function valueDigests({ linears, vectors }: Manifest, bytes: Uint8Array): Record<string, string> {
  const entries = Object.entries(linears).flatMap(([name, linear]) => [
    [name, digest(linearValues(bytes, linear))],
    ...(linear.permute ? [[`${name} permutation`, digest(intsAt(bytes, linear.permute))]] : []),
  ]);
  return Object.fromEntries([...entries, ...Object.entries(vectors).map(([name, ref]) => [name, digest(floatsAt(bytes, ref))])]);
}
