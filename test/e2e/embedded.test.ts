import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { selfTest } from '../../src/backends/wasm/self-test.ts';
import { EMBEDDED, load, opener, platformOf } from '../../src/surfaces/adapters/node.ts';
import { openLocal } from '../../src/surfaces/adapters/local-models.ts';
import { decoderOf, estimateOf } from '../../src/surfaces/loader.ts';
import { testModules } from '../support/modules.ts';
import { stripsTypes } from '../support/node.ts';

/** The logits' digest that every engine and path must give (`npm run digests` compares Node versions). */
const LOGITS_SHA256 = 'e7db1df7ac2cc4930a2039222f56a6b324bb5171655444a744efa5a434de060c';
const paths = selfTest(await testModules(), () => performance.now()).filter(({ fault }) => fault === null).map(({ isa }) => isa);

describe('the embedded model', () => {
  it.each(paths)('gives the frozen bytes of logits on %s after 64 tokens', async (path) => {
    const open = await opener(path);
    const decoder = await decoderOf(await openLocal(EMBEDDED, { open }), { open, context: 128 });
    const logits = decoder.forward(Array.from({ length: 64 }, (_, i) => (i * 7919 + 13) % 49152));
    expect(createHash('sha256').update(new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength)).digest('hex')).toBe(LOGITS_SHA256);
  });

  it.skipIf(!stripsTypes).each([2, 3])('gives the same bytes on %i threads', async (threads) => {
    const platform = await platformOf({ threads });
    await using decoder = await decoderOf(await openLocal(EMBEDDED, platform), { ...platform, context: 128 });
    const logits = decoder.forward(Array.from({ length: 64 }, (_, i) => (i * 7919 + 13) % 49152));
    expect(decoder.threads).toBe(threads);
    expect(createHash('sha256').update(new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength).slice()).digest('hex')).toBe(LOGITS_SHA256);
    const all = estimateOf(decoder.manifest, { context: 128 }, threads);
    expect(all.total).toBe(decoder.backend.memory.buffer.byteLength);
  });

  it('takes at most 84 MB on disk, and with 2,048 tokens of context what estimate() says: below 112 MB', async () => {
    const size = (path: string): number =>
      statSync(path).isDirectory() ? readdirSync(path).reduce((sum, name) => sum + size(join(path, name)), 0) : statSync(path).size;
    expect(size(dirname(EMBEDDED))).toBeLessThanOrEqual(84e6);
    const open = await opener();
    const image = await openLocal(EMBEDDED, { open });
    const decoder = await decoderOf(image, { open, context: 2048 });
    const { total, platforms } = estimateOf(image.manifest, { context: 2048 });
    expect(total).toBeLessThan(112e6);
    expect(total).toBe(decoder.backend.memory.buffer.byteLength);
    expect(platforms.find(({ name }) => name.startsWith('Cloudflare'))?.fits).toBe(true);
  });

  it('answers a question in its chat template, the same text for the same seed', async () => {
    await using model = await load(undefined, { context: 256 });
    const ask = (seed: number) => model.chat([{ role: 'user', content: 'What is the capital of France?' }], { maxTokens: 24, seed }).result;
    const [first, second, greedy] = [await ask(3), await ask(3), await model.chat([{ role: 'user', content: 'What is the capital of France?' }], { temperature: 0 }).result];
    expect(first.text).toBe(second.text);
    expect(second.usage.cachedTokens).toBeGreaterThan(0);
    expect(greedy.text).toContain('Paris');
    expect(greedy.finishReason).toBe('stop');
  });
});
