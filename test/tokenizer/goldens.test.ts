import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TokenizerData } from '../../src/core/tokenizer-data.ts';
import { openGguf } from '../../src/importers/open.ts';
import { fileSource } from '../../src/surfaces/adapters/files.ts';
import { ChatTemplate } from '../../src/tokenizer/chat-template.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';

const shared = process.env['TETRAD_SHARED'] ?? resolve(import.meta.dirname, '../../../shared');
const golden = (name: string): string => resolve(shared, 'goldens', name);
const read = (path: string): string => readFileSync(path, 'utf8');

async function fromGguf(path: string): Promise<TokenizerData> {
  const store = await openGguf(await fileSource(path));
  await store.close();
  return store.tokenizer;
}

const jsonFile = golden('tokenizer.json');
const ggufFile = process.env['TETRAD_REF_GGUF'] ?? resolve(shared, 'models/smollm2-135m-soft.Q8_0.gguf');
const sources: readonly (readonly [string, () => Promise<TokenizerData>])[] = [
  [jsonFile, () => Promise.resolve({ tokenizer: JSON.parse(read(jsonFile)) as Record<string, unknown>, bos: 1, eos: [2], addBos: false, chatTemplate: null })],
  [ggufFile, () => fromGguf(ggufFile)],
];

/** The goldens come from the Rust library: goldens/README.md. */
describe.each(sources)('Tokenizer of SmolLM2 from %s', (path, load) => {
  const present = existsSync(path) && existsSync(jsonFile);
  if (!present) console.log(`skipped: there is no ${path} or no ${jsonFile}`);

  test.skipIf(!present)('encode() and decode() equal every golden case', async () => {
    const tokenizer = new Tokenizer(await load());
    const { cases } = JSON.parse(read(golden('tokenizer-goldens.json'))) as { cases: { text: string; ids: number[]; decoded: string }[] };
    expect(cases.length).toBeGreaterThan(50);
    expect(cases.map(({ text }) => tokenizer.encode(text, { special: true }))).toEqual(cases.map(({ ids }) => ids));
    expect(cases.map(({ ids }) => tokenizer.decode(ids))).toEqual(cases.map(({ decoded }) => decoded));
  });
});

const both = existsSync(jsonFile) && existsSync(ggufFile);

test.skipIf(!both)('tokenizerFromGguf() gives the tokenizer.json that the goldens were made with', async () => {
  expect((await fromGguf(ggufFile)).tokenizer).toEqual(JSON.parse(read(jsonFile)));
});

test.skipIf(!both)('ChatTemplate of the GGUF file gives the golden chat prompts', async () => {
  const chat = new ChatTemplate(new Tokenizer(await fromGguf(ggufFile)));
  const { prompts } = JSON.parse(read(golden('ref-goldens.json'))) as { prompts: { kind: string; user: string; ids: number[] }[] };
  const chats = prompts.filter(({ kind }) => kind === 'chat');
  expect(chats).toHaveLength(4);
  expect(chats.map(({ user }) => chat.encode([{ role: 'user', content: user }]))).toEqual(chats.map(({ ids }) => ids));
});

test.skipIf(!both)('Tokenizer gives the published digest on all of wikitext-2', async () => {
  const ids = new Tokenizer(await sources[0]![1]()).encode(read(resolve(shared, 'data/wikitext-2-test.txt')));
  const digest = createHash('sha256').update(new Uint8Array(Uint16Array.from(ids).buffer)).digest('hex');
  expect([ids.length, digest]).toEqual([301948, '5b2c8b5d2fe6b2b055318fba37002ec08f834d6897b88f0fded2576e8b02292a']);
});
