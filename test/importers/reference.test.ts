import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openGguf } from '../../src/importers/open.ts';
import { fileSource } from '../../src/surfaces/adapters/files.ts';

const shared = process.env['TETRAD_SHARED'] ?? resolve(import.meta.dirname, '../../../shared');
const files = [
  process.env['TETRAD_REF_GGUF'] ?? resolve(shared, 'models/SmolLM2-135M-Instruct.Q4_1.gguf'),
  resolve(shared, 'models/smollm2-135m-soft.Q8_0.gguf'),
];
const digests = JSON.parse(readFileSync(new URL('../fixtures/gguf/tensors.json', import.meta.url), 'utf8')) as Record<string, Record<string, string>>;

describe.each(files)('%s', (path) => {
  const present = existsSync(path);
  if (!present) console.log(`skipped: there is no ${path}`);

  it.skipIf(!present)('openGguf() gives the tensors that PyPI gguf gives, in rotate-half order', async () => {
    const store = await openGguf(await fileSource(path));
    const { config, tokenizer, provenance } = store;
    expect(config).toMatchObject({
      arch: 'llama', layers: 30, hidden: 576, heads: 9, kvHeads: 3, headDim: 64, ffn: 1536, vocab: 49152, context: 8192, tied: true,
    });
    expect(config.rope).toEqual({ theta: 100000, factors: null });
    expect(provenance).toEqual({ source: basename(path), format: 'gguf', license: 'apache-2.0' });
    expect([tokenizer.bos, tokenizer.eos.includes(2), tokenizer.chatTemplate?.slice(0, 6)]).toEqual([1, true, '{% for']);
    expect([store.has('layers.29.mlp.down'), store.has('output'), store.has('layers.30.mlp.down')]).toEqual([true, false, false]);
    for (const [name, digest] of Object.entries(digests[basename(path)]!)) {
      const tensor = store.tensor(name);
      const hash = createHash('sha256');
      for (let from = 0; from < tensor.rows; from += 1000) {
        hash.update(new Uint8Array((await tensor.read(from, Math.min(from + 1000, tensor.rows))).buffer));
      }
      expect([name, hash.digest('hex')]).toEqual([name, digest]);
    }
    await store.close();
  });
});
