import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openContainer } from '../../src/container/read.ts';
import { writeContainer } from '../../src/container/write.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { KV4 } from '../../src/formats/number-format.ts';
import type { GenerateOptions, Model } from '../../src/generate/model.ts';
import type { Session } from '../../src/generate/session.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { cacheBytes } from '../../src/runtime/cache-bytes.ts';
import { fileDirectory } from '../../src/surfaces/adapters/files.ts';
import { EMBEDDED, load, type LoadOptions } from '../../src/surfaces/adapters/node.ts';
import { bytesDirectory } from '../support/bytes.ts';
import { memorySink } from '../support/memory-sink.ts';
import { stripsTypes } from '../support/node.ts';
import { FIXTURE_TURN } from '../support/session-fixture.ts';
import { tinyStore } from '../support/tiny-model.ts';

const folder = fileURLToPath(new URL('../fixtures/session-v1', import.meta.url));
const threaded = stripsTypes ? [{ threads: 2 }, { threads: 2, memories: 2 }] : [];
/** Ways to run a model that must not show. */
const WAYS: readonly LoadOptions[] = [{ path: 'simd128' }, { path: 'reference' }, { memories: 2 }, { context: 400 }, ...threaded];

const using = async <T>(source: string, options: LoadOptions, run: (model: Model) => Promise<T>): Promise<T> => {
  await using model = await load(source, { threads: 1, context: 512, ...options });
  return await run(model);
};

describe('Model.restore() of frozen sessions of version 1', { timeout: 120_000 }, () => {
  const expected = JSON.parse(readFileSync(`${folder}/expected.json`, 'utf8')) as { digest: string; text: { tokens: number[] }; talk: { tokens: number[] } };
  it.each(WAYS)('goes on with the tokens that followed when they were saved: %o', async (way) => {
    await using(`${folder}/model`, way, async (model) => {
      expect(await model.digest).toBe(expected.digest);
      const [text, talk] = [await model.restore(readFileSync(`${folder}/text.bin`)), await model.restore(readFileSync(`${folder}/talk.bin`))];
      expect((await text.generate('', FIXTURE_TURN).result).tokens).toEqual(expected.text.tokens);
      expect((await talk.chat('And now?', FIXTURE_TURN).result).tokens).toEqual(expected.talk.tokens);
    });
  });

  it('gives the same bytes again, and uses the cache that is in them', async () => {
    await using(`${folder}/model`, {}, async (model) => {
      for (const name of ['text', 'talk']) {
        const bytes = readFileSync(`${folder}/${name}.bin`);
        expect(Buffer.from(await (await model.restore(bytes)).save()).equals(bytes), name).toBe(true);
      }
      const text = await model.restore(readFileSync(`${folder}/text.bin`));
      const { usage } = await text.generate('', FIXTURE_TURN).result;
      expect([usage.cachedTokens, usage.promptTokens]).toEqual([text.tokens.length - 41, text.tokens.length - 40]);
    });
  });

  it('is refused by another model, by another KV format and by a context that is too small', async () => {
    const bytes = readFileSync(`${folder}/text.bin`);
    const code = (source: string, options: LoadOptions) => using(source, options, (model) => model.restore(bytes).then(() => 'none', ({ code: found }) => found as string));
    expect(await code(`${folder}/model`, { kv: 8 })).toBe('session_mismatch');
    expect(await code(`${folder}/model`, { context: 100 })).toBe('context_overflow');
    expect(await code(fileURLToPath(new URL('../fixtures/container-v1', import.meta.url)), { context: 128 })).toBe('session_mismatch');
  });
});

const TURNS: readonly GenerateOptions[] = [
  { temperature: 0, maxTokens: 33 }, { temperature: 0, maxTokens: 30, repetitionPenalty: 1.3 }, { maxTokens: 31, topK: 5 }, { maxTokens: 32, seed: 9, presencePenalty: 0.5 }, { maxTokens: 40, frequencyPenalty: 1 },
];
const LETTERS = Object.fromEntries([...'abcd'].map((letter) => [letter.charCodeAt(0), 8]));
const source = `${folder}/model`;

describe('Session of a model', { timeout: 120_000 }, () => {
  it.each([4, 8, 32] as const)('with a %d-bit cache is the same wherever its turns run, with and without guesses', async (kv) => {
    const run = async (session: Session, i: number, speculate: GenerateOptions['speculate']): Promise<readonly number[]> =>
      (await session.generate(i % 2 ? ' and the cat sat on ' : 'the cat sat on the mat, ', { ...TURNS[i]!, logitBias: LETTERS, speculate }).result).tokens;
    const want: (readonly number[])[] = [];
    let last = new Uint8Array();
    await using(source, { kv }, async (model) => {
      const session = model.session({ seed: 4 });
      for (let i = 0; i < TURNS.length; i++) want.push(await run(session, i, false));
      last = new Uint8Array(await session.save());
    });
    let bytes: Uint8Array | null = null;
    for (const [i, way] of [...WAYS, ...WAYS].slice(0, TURNS.length).entries()) {
      await using(source, { kv, ...way }, async (model) => {
        const session: Session = bytes ? await model.restore(bytes) : model.session({ seed: 4 });
        if (i % 2) await model.generate('something else', { maxTokens: 3 }).result;
        expect(await run(session, i, i % 2 ? 5 : 'auto'), `turn ${i}`).toEqual(want[i]);
        if (i % 3 === 0) await model.generate('something else', { maxTokens: 70 }).result;
        bytes = await session.save();
      });
    }
    expect(Buffer.from(bytes!).equals(last)).toBe(true);
  });

  it('has the digest of the container that its image is written to', async () => {
    const image = quantize(tinyStore(), recipe('w4a8'));
    const sink = memorySink();
    await writeContainer(image, sink);
    const digest = async (from: Parameters<typeof load>[0], options: LoadOptions): Promise<string> => {
      await using model = await load(from, { context: 64, ...options });
      return model.digest;
    };
    const packed = await digest(await openContainer(bytesDirectory(sink.files!)), { threads: 1 });
    for (const options of [{ threads: 1 }, { threads: 1, memories: 2 }, ...(stripsTypes ? [{ threads: 2 }] : [])]) expect(await digest(image, options)).toBe(packed);
    expect(await digest(quantize(tinyStore({ seed: 2 }), recipe('w4a8')), { threads: 1 })).not.toBe(packed);
  });
});

describe.skipIf(!existsSync(EMBEDDED))('Session of the embedded model', { timeout: 300_000 }, () => {
  it('takes 7.2 kB a token, and goes on in two memories as in one', async () => {
    const { manifest } = await openContainer(fileDirectory(EMBEDDED));
    const bytes = (tokens: number): number => cacheBytes(KV4, manifest.config, tokens);
    const packed = (bytes(3 * PAGE) - bytes(2 * PAGE)) / PAGE;
    const open = bytes(PAGE) / PAGE;
    process.stdout.write(`saved session of ${manifest.config.name}: ${packed} bytes a token in packed pages, ${open} in page 0 and the open one, ${bytes(2048)} for 2,048 tokens\n`);
    expect([packed, open, bytes(2048)]).toEqual([7200, 12240, 31 * PAGE * 7200 + PAGE * 12240]);
    const talk: GenerateOptions = { maxTokens: 12, temperature: 0 };
    let saved = new Uint8Array();
    const want = await using(EMBEDDED, { path: 'simd128' }, async (model) => {
      const session = model.session();
      await session.chat('Name three rivers of Europe, and say in which sea each of them ends.', talk).result;
      saved = new Uint8Array(await session.save());
      return (await session.chat('Which of them is the longest?', talk).result).text;
    });
    for (const way of [{ memories: 2, path: 'simd128' }, { memories: 3, ...(stripsTypes && { threads: 2 }) }] as const) {
      expect(await using(EMBEDDED, way, async (model) => (await (await model.restore(saved)).chat('Which of them is the longest?', talk).result).text)).toBe(want);
    }
  });
});
