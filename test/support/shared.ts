import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

const root = process.env['TETRAD_SHARED'] ?? resolve(import.meta.dirname, '../../../shared');

/** A file of the shared folder beside the checkout (`TETRAD_SHARED` elsewhere), or null. */
export function sharedFile(path: string): string | null {
  const file = resolve(root, path);
  return existsSync(file) ? file : null;
}

/** SmolLM2-135M-Instruct.Q4_1.gguf: `TETRAD_REF_GGUF`, or the copy in the shared folder, or null. */
export function referenceGguf(): string | null {
  const given = process.env['TETRAD_REF_GGUF'];
  return given !== undefined && existsSync(given) ? given : sharedFile('models/SmolLM2-135M-Instruct.Q4_1.gguf');
}
