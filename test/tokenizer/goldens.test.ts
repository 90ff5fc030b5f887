import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';

const shared = process.env.TETRAD_SHARED ?? resolve(import.meta.dirname, '../../../shared');
const present = existsSync(resolve(shared, 'goldens/tokenizer.json'));
if (!present) console.log(`skipped: no goldens under ${shared}`);

/** Made by the Rust library: goldens/README.md. */
describe.skipIf(!present)('Tokenizer on SmolLM2, against the Rust library', () => {
  const read = (path: string): string => readFileSync(resolve(shared, path), 'utf8');
  const load = (): Tokenizer =>
    new Tokenizer({ tokenizer: JSON.parse(read('goldens/tokenizer.json')), bos: 1, eos: [2], addBos: false, chatTemplate: null });

  test('encode() and decode() equal every golden case', () => {
    const tokenizer = load();
    const { cases } = JSON.parse(read('goldens/tokenizer-goldens.json')) as { cases: { text: string; ids: number[]; decoded: string }[] };
    expect(cases.length).toBeGreaterThan(50);
    expect(cases.map(({ text }) => tokenizer.encode(text, { special: true }))).toEqual(cases.map(({ ids }) => ids));
    expect(cases.map(({ ids }) => tokenizer.decode(ids))).toEqual(cases.map(({ decoded }) => decoded));
  });

  test('encode() gives the published digest on all of wikitext-2', () => {
    const ids = load().encode(read('data/wikitext-2-test.txt'));
    const digest = createHash('sha256').update(new Uint8Array(Uint16Array.from(ids).buffer)).digest('hex');
    expect([ids.length, digest]).toEqual([301948, '5b2c8b5d2fe6b2b055318fba37002ec08f834d6897b88f0fded2576e8b02292a']);
  });
});
